"""Checks the GGUF files that `vitro convert` writes against llama.cpp and the gguf package.

    pip install llama-cpp-python==0.3.36 gguf==0.19.0 numpy safetensors
    python tests/golden/check_gguf.py build/release/vitro [MODEL ...]

A MODEL is a directory or a GGUF file; without one, the bundled model, directories of tests/golden and one made here
whose sizes k-quants fit. Of every type:
  - gguf reads the file, and every tensor's numbers are as near to the model's as llama.cpp's own quantizer leaves them;
  - each tensor has the type that llama.cpp's preset of that name gives it (llama_model_quantize of the f16 file);
  - llama.cpp loads it and gives vitro's logits behind a row of tokens, and both the same greedy tokens, where the first
    differing one is no near tie.
The f16 file once more with a KV cache of q8_0 on both sides, where heads are whole blocks."""

import argparse
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
from safetensors.numpy import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
TYPES = ["f16", "bf16", "q8_0", "q4_0", "q4_k_m", "q5_k_m", "q6_k"]
FILE_TYPES = {"f16": 1, "bf16": 32, "q8_0": 7, "q4_0": 2, "q4_k_m": 15, "q5_k_m": 17, "q6_k": 18}
GOLDENS = ["llama_gqa_tied", "llama_bias", "llama_head_dim", "mistral_full", "phi3_partial_rotary", "phi3_tied", "phi3_longrope_long", "llama_llama3", "qwen3_norms",
           "granite", "olmo2", "stablelm"]
# Where llama.cpp knows without a key what the golden has otherwise.
ALTERED = {"gemma2": {"query_pre_attn_scalar": 16}, "gemma3": {"layer_types": ["sliding_attention"] * 3},
           "olmo3": {"layer_types": ["sliding_attention"] * 2}, "smollm3_no_rope": {"no_rope_layers": [1, 1, 1, 0]},
           "starcoder2": {"sliding_window": None}}
LENGTH, GREEDY = 24, 32


def make_wide(path: Path) -> Path:
    """A Llama of 9 layers with random weights, hidden size 256: every rule of the mixtures has a layer."""
    path.mkdir()
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 256, "intermediate_size": 512,
              "num_hidden_layers": 9, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320,
              "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "tie_word_embeddings": False, "hidden_act": "silu",
              "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                               "original_max_position_embeddings": 64}}
    (path / "config.json").write_text(json.dumps(config))
    random = np.random.default_rng(7)
    draw = lambda *shape: (random.standard_normal(shape) * 0.06).astype(np.float32)
    tensors = {"model.embed_tokens.weight": draw(320, 256), "lm_head.weight": draw(320, 256),
               "model.norm.weight": np.ones(256, np.float32)}
    for i in range(9):
        at = f"model.layers.{i}."
        for name, rows in (("q", 256), ("k", 128), ("v", 128), ("o", 256)):
            tensors[f"{at}self_attn.{name}_proj.weight"] = draw(rows, 256)
        for name, rows, columns in (("gate", 512, 256), ("up", 512, 256), ("down", 256, 512)):
            tensors[f"{at}mlp.{name}_proj.weight"] = draw(rows, columns)
        for name in ("input", "post_attention"):
            tensors[f"{at}{name}_layernorm.weight"] = np.ones(256, np.float32)
    save_file(tensors, path / "model.safetensors")
    return path


def make_altered(path: Path, name: str) -> Path:
    shutil.copytree(ROOT / "tests/golden" / name, path)
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | ALTERED[name]))
    return path


def tensors_of(path: Path) -> dict[str, gguf.ReaderTensor]:
    return {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}


def head_size(path: Path) -> int:
    rows = tensors_of(path)["blk.0.attn_output.weight"].shape[0]
    heads = next(field for name, field in gguf.GGUFReader(path).fields.items() if name.endswith(".attention.head_count"))
    return int(rows) // int(heads.contents())


def values(tensor: gguf.ReaderTensor) -> np.ndarray:
    return gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)


def llama_quantized(source: Path, out: Path, kind: str) -> dict[str, gguf.ReaderTensor]:
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = FILE_TYPES[kind]
    params.nthread = 1
    params.allow_requantize = True
    if llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(out), ctypes.byref(params)) != 0:
        sys.exit(f"llama.cpp cannot quantize {source} to {kind}")
    return tensors_of(out)


def mean_squared_error(tensors, exact) -> dict[str, float]:
    return {name: float(np.mean((values(tensor) - values(exact[name])) ** 2)) for name, tensor in tensors.items()}


class LlamaCpp:
    def __init__(self, path: Path, cache: str = "f16"):
        kind = {"f16": llama_cpp.GGML_TYPE_F16, "q8_0": llama_cpp.GGML_TYPE_Q8_0}[cache]
        self.model = llama_cpp.Llama(str(path), n_ctx=LENGTH + GREEDY + 8, n_threads=1, n_threads_batch=1, logits_all=True, verbose=False,
                                     type_k=kind, type_v=kind, flash_attn=cache != "f16")

    def logits(self, tokens: list[int]) -> np.ndarray:
        self.model.reset()
        self.model.eval(tokens)
        return np.array(self.model.scores[: len(tokens)], dtype=np.float64)

    def greedy(self, tokens: list[int]) -> list[int]:
        out: list[int] = []
        while len(out) < GREEDY:
            out.append(int(np.argmax(self.logits(tokens + out)[-1])))
        return out


def vitro_logits(vitro: str, model: Path, tokens: list[int], exact: bool, cache: str = "f16") -> np.ndarray:
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "logits.safetensors"
        words = [vitro, "logits", "-m", str(model), "--tokens", ",".join(map(str, tokens)), "-o", str(out), "--kv-type", cache]
        subprocess.run(words + (["--exact"] if exact else []), check=True, capture_output=True)
        return load_file(out)["logits"].astype(np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vitro")
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--types", default=",".join(TYPES))
    arguments = parser.parse_args()
    work = Path(tempfile.mkdtemp())
    models = arguments.models or [ROOT / "models/bundled/tiny-phi3", make_wide(work / "llama3_wide")] + [ROOT / "tests/golden" / name for name in GOLDENS]
    if not arguments.models:
        models += [make_altered(work / name, name) for name in ALTERED]
    failures = 0

    def check(good: bool, what: str) -> None:
        nonlocal failures
        if not good:
            failures += 1
            print("FAILED:", what, flush=True)

    def compare(own: Path, cache: str) -> tuple[float, int]:
        """The NMSE of logits, and how many greedy tokens are equal."""
        llama = LlamaCpp(own, cache)
        tokens = [(7919 * i) % (llama.model.n_vocab() - 3) + 1 for i in range(1, LENGTH + 1)]
        theirs_logits, own_logits = llama.logits(tokens), vitro_logits(arguments.vitro, own, tokens, exact=True, cache=cache)
        nmse = float(np.sum((theirs_logits - own_logits) ** 2) / np.sum(own_logits**2))
        check(nmse < 5e-3, f"{own.name}, cache of {cache}: logits differ by an NMSE of {nmse:.2g}")
        greedy = llama.greedy(tokens)
        own_rows = vitro_logits(arguments.vitro, own, tokens + greedy[:-1], exact=True, cache=cache)[LENGTH - 1 :]
        agreed, spread = 0, float(np.std(own_rows))
        for row, token in zip(own_rows, greedy):
            gap = float(row.max() - row[token])
            check(gap < 0.25 * spread, f"{own.name}, cache of {cache}: token {token} is {gap / spread:.2g} standard deviations of logits below vitro's")
            agreed += gap == 0
        return nmse, agreed

    print(f"llama-cpp-python {llama_cpp.__version__}; MSE: the mean over a file's weights, ours by llama.cpp's")
    for model in models:
        f16 = work / f"{model.stem}-f16.gguf"
        subprocess.run([arguments.vitro, "convert", str(model), "-o", str(f16), "--type", "f16"], check=True, capture_output=True)
        exact = tensors_of(f16)
        for kind in arguments.types.split(","):
            own = f16 if kind == "f16" else work / f"{model.stem}-{kind}.gguf"
            if kind != "f16":
                subprocess.run([arguments.vitro, "convert", str(f16), "-o", str(own), "--type", kind], check=True, capture_output=True)
            tensors, theirs = tensors_of(own), llama_quantized(f16, work / "theirs.gguf", kind)
            check(tensors.keys() == theirs.keys(), f"{own.name}: names")
            for name, tensor in tensors.items():
                expected = theirs[name].tensor_type
                check(tensor.tensor_type == expected and list(tensor.shape) == list(theirs[name].shape),
                      f"{own.name}: {name}: {tensor.tensor_type.name} where llama.cpp has {expected.name}")
            ours, others = mean_squared_error(tensors, exact), mean_squared_error(theirs, exact)
            for name, error in ours.items():
                check(error <= others[name] * (1 + 1e-9), f"{own.name}: {name}: MSE {error:.4g}, llama.cpp's {others[name]:.4g}")
            quantized = [name for name in ours if others[name] > 0]
            ratio = f"{np.mean([ours[name] / others[name] for name in quantized]):.3f}" if quantized else "–"

            nmse, agreed = compare(own, "f16")
            print(f"{own.name}: {own.stat().st_size} bytes, MSE {ratio}, logits' NMSE {nmse:.1e}, {agreed} of {GREEDY} greedy tokens equal", flush=True)
        if head_size(f16) % 32 == 0:
            nmse, agreed = compare(f16, "q8_0")
            print(f"{f16.name}, cache of q8_0: logits' NMSE {nmse:.1e}, {agreed} of {GREEDY} greedy tokens equal", flush=True)
    print("FAILED" if failures else "passed")
    sys.exit(1 if failures else 0)


main()
