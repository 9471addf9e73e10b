"""Writes random blocks of every block-quantized type and the values that gguf's numpy code makes of them, and the blocks
of q8_0 that it makes of numbers, for tests/base/blocks_test.cpp and tests/base/q8_0_test.cpp.

    python tests/golden/make_blocks.py OUT.json

Written with gguf 0.19.0 and numpy 2.4.6."""

import json
import sys

import gguf
import numpy

TYPES = "Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS MXFP4".split()
# Where the blocks have 16-bit floats; their exponents must not be those of infinities and NaNs.
HALVES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": []}


def main():
    random = numpy.random.default_rng(20)
    out = {"gguf": "0.19.0", "types": {}}
    for name in TYPES:
        dtype = gguf.GGMLQuantizationType[name]
        elements, size = gguf.GGML_QUANT_SIZES[dtype]
        blocks = random.integers(0, 256, (512 // elements, size), dtype=numpy.uint8)
        for at in HALVES[name]:
            upper = blocks[:, at + 1]
            upper[(upper & 0x7C) == 0x7C] ^= 0x40
        if name == "MXFP4":
            blocks[:4, 0] = [0, 1, 2, 255]
        values = gguf.quants.dequantize(blocks, dtype)
        assert values.dtype == numpy.float32 and values.size == 512
        out["types"][name.lower()] = {"block_elements": elements, "block_bytes": size, "blocks": blocks.tobytes().hex(),
                                      "values": values.astype("<f4").tobytes().hex()}
    # Rows as a KV cache may have them: all sizes that f16 has a scale for, zeros, and numbers halfway between two codes.
    rows = random.normal(size=(24, 32)) * 2.0 ** random.integers(-12, 16, (24, 1))
    rows[0] = 0
    rows[1] = random.integers(-254, 255, 32) / 2
    rows[1, 7] = -127
    rows[2] = 1e-7 * random.normal(size=32)
    rows = rows.astype(numpy.float32)
    blocks = gguf.quants.quantize(rows, gguf.GGMLQuantizationType.Q8_0)
    out["rounded_q8_0"] = {"numbers": rows.astype("<f4").tobytes().hex(), "blocks": blocks.tobytes().hex()}
    with open(sys.argv[1], "w") as file:
        json.dump(out, file, indent=1)
        file.write("\n")


main()
