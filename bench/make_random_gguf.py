#!/usr/bin/env python3
"""Writes a GGUF file with Phi-3-mini's layer shapes and random weights, to be timed: what it says means nothing.

    python bench/make_random_gguf.py q4_k_m OUT.gguf        (numpy 2, gguf 0.19.0 from PyPI)

The architecture is llama's: hidden size 3072, 32 heads of 96, 8192 in the feed-forward layer, 8 layers, 32064 tokens and no
tokenizer. q4_k_m mixes types as llama.cpp's preset does. Blocks are random bytes with small scales; the same megabyte of
them repeats.
"""
import argparse
import pathlib

import gguf
import numpy as np

HIDDEN, HEADS, FFN, LAYERS, VOCABULARY, CONTEXT = 3072, 32, 8192, 8, 32064, 8192
TYPES = ["f16", "bf16", "q8_0", "q6_k", "q5_k", "q4_k_m", "q4_k", "q4_0", "q4_1", "q5_0", "q5_1"]
SCALES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}


def type_of(preset: str, name: str, layer: int) -> gguf.GGMLQuantizationType:
    kind = preset
    if preset.startswith("q") and preset != "q8_0" and name == "output":
        kind = "q6_k"
    elif preset == "q4_k_m":
        more = layer < LAYERS // 8 or layer >= 7 * LAYERS // 8 or (layer - LAYERS // 8) % 3 == 2
        kind = "q6_k" if more and name in ("attn_v", "ffn_down") else "q4_k"
    return gguf.GGMLQuantizationType[kind.upper()]


def random_rows(kind: gguf.GGMLQuantizationType, rows: int, columns: int, random: np.random.Generator) -> np.ndarray:
    """Bytes of [rows, columns]."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    count = rows * columns // elements
    if kind.name in ("F16", "BF16"):
        values = (random.standard_normal(1 << 19) * 0.02).astype(np.float32)
        tile = values.astype(np.float16).view(np.uint8) if kind.name == "F16" else (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    else:
        blocks = random.integers(0, 256, ((1 << 20) // size, size), dtype=np.uint8)
        for at in SCALES[kind.name]:
            blocks[:, at : at + 2] = np.full(len(blocks), 2e-4, np.float16).view(np.uint8).reshape(-1, 2)
        tile = blocks.reshape(-1)
    return np.resize(tile, count * size).reshape(rows, columns // elements * size)


def write(preset: str, path: pathlib.Path) -> None:
    random = np.random.default_rng(1)
    partial = path.with_suffix(".partial")
    writer = gguf.GGUFWriter(partial, "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("none")

    def add(name: str, rows: int, columns: int, layer: int = 0) -> None:
        kind = type_of(preset, name.rsplit(".", 2)[-2], layer)
        writer.add_tensor(name, random_rows(kind, rows, columns, random), raw_dtype=kind)

    def ones(name: str) -> None:
        writer.add_tensor(name, np.ones(HIDDEN, np.float32))

    add("token_embd.weight", VOCABULARY, HIDDEN)
    for i in range(LAYERS):
        ones(f"blk.{i}.attn_norm.weight")
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{i}.{name}.weight", HIDDEN, HIDDEN, i)
        ones(f"blk.{i}.ffn_norm.weight")
        add(f"blk.{i}.ffn_gate.weight", FFN, HIDDEN, i)
        add(f"blk.{i}.ffn_up.weight", FFN, HIDDEN, i)
        add(f"blk.{i}.ffn_down.weight", HIDDEN, FFN, i)
    ones("output_norm.weight")
    add("output.weight", VOCABULARY, HIDDEN)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.rename(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("type", choices=TYPES)
    parser.add_argument("out", type=pathlib.Path)
    arguments = parser.parse_args()
    write(arguments.type, arguments.out)
