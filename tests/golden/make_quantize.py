"""Writes the mean squared error of llama.cpp's quantizers on tensors of the bundled model, for
tests/base/quantize_test.cpp.

    python tests/golden/make_quantize.py OUT.json

What llama.cpp wrote is read back by gguf's numpy code. Written with llama-cpp-python 0.3.36, gguf 0.19.0, safetensors
and torch."""

import ctypes
import json
import sys
from pathlib import Path

import gguf
import llama_cpp
import numpy
from safetensors import safe_open

MODEL = Path(__file__).resolve().parents[2] / "models" / "bundled" / "tiny-phi3" / "model.safetensors"
TYPES = "Q8_0 Q4_0 Q5_0 Q5_1 Q4_K Q5_K Q6_K".split()
TENSORS = ["model.embed_tokens.weight"] + [
    f"model.layers.{layer}.{name}.weight" for layer in (0, 3)
    for name in ("self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj")]


def quantizer():
    library = next((Path(llama_cpp.__file__).parent / "lib").glob("libggml-base.*"))
    function = ctypes.CDLL(str(library)).ggml_quantize_chunk
    function.restype = ctypes.c_size_t
    function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64,
                         ctypes.c_int64, ctypes.c_void_p]
    return function


def main():
    quantize = quantizer()
    out = {"llama_cpp_python": llama_cpp.__version__, "gguf": "0.19.0", "errors": {}}
    with safe_open(MODEL, "pt") as tensors:
        for tensor in TENSORS:
            values = numpy.ascontiguousarray(tensors.get_tensor(tensor).float().numpy())
            errors = out["errors"][tensor] = {}
            for name in TYPES:
                dtype = gguf.GGMLQuantizationType[name]
                elements, size = gguf.GGML_QUANT_SIZES[dtype]
                blocks = numpy.zeros((values.shape[0], values.shape[1] // elements * size), dtype=numpy.uint8)
                written = quantize(dtype.value, values.ctypes.data, blocks.ctypes.data, 0, *values.shape, None)
                assert written == blocks.size
                difference = gguf.quants.dequantize(blocks, dtype).astype(numpy.float64) - values
                errors[name.lower()] = float(numpy.mean(difference ** 2))
    with open(sys.argv[1], "w") as file:
        json.dump(out, file, indent=1)
        file.write("\n")


main()
