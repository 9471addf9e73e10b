#!/usr/bin/env python3
"""Writes a Hugging Face model directory of any size with random weights, for measuring speed and memory.

usage: bench/make_random_model.py OUT --config DIR/config.json [--layers N] [--dtype bf16|f16|f32] [--shard-gb G]

Needs nothing but Python. The configuration is copied, with the number of layers and the dtype replaced; tokenizer files
beside it come along. Weights are slices of one block of normally distributed values (standard deviation 0.02, as models
are initialized) from random places, so that writing is as fast as the disk; norm weights are one. Nothing is held in
memory but that block. The same arguments give the same bytes. Weights that are in OUT already are replaced.
"""

import argparse
import array
import json
import math
import random
import shutil
import struct
import sys
from pathlib import Path

BLOCK = 1 << 20  # values
DTYPES = {"bf16": ("BF16", 2, "bfloat16"), "f16": ("F16", 2, "float16"), "f32": ("F32", 4, "float32")}
TOKENIZER_FILES = ("tokenizer.model", "tokenizer.json", "tokenizer_config.json", "added_tokens.json",
                   "special_tokens_map.json", "chat_template.jinja", "generation_config.json")


def tensors(config):
    """Names and shapes of all weights, in the order in which a model uses them."""
    hidden, ffn, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    heads = config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads") or heads
    head_dim = config.get("head_dim") or hidden // heads
    q, kv = heads * head_dim, kv_heads * head_dim
    kind = config["model_type"]
    if kind == "phi3":
        attention = {"qkv_proj": [q + 2 * kv, hidden], "o_proj": [hidden, q]}
        mlp = {"gate_up_proj": [2 * ffn, hidden], "down_proj": [hidden, ffn]}
    elif kind in ("llama", "mistral"):
        attention = {"q_proj": [q, hidden], "k_proj": [kv, hidden], "v_proj": [kv, hidden], "o_proj": [hidden, q]}
        mlp = {"gate_proj": [ffn, hidden], "up_proj": [ffn, hidden], "down_proj": [hidden, ffn]}
    else:
        sys.exit(f'error: model_type is "{kind}"; expected phi3, llama or mistral')

    yield "model.embed_tokens.weight", [vocab, hidden]
    for layer in range(config["num_hidden_layers"]):
        path = f"model.layers.{layer}"
        yield f"{path}.input_layernorm.weight", [hidden]
        for part, projections, biased in (("self_attn", attention, "attention_bias"), ("mlp", mlp, "mlp_bias")):
            if part == "mlp":
                yield f"{path}.post_attention_layernorm.weight", [hidden]
            for name, shape in projections.items():
                yield f"{path}.{part}.{name}.weight", shape
                if kind == "llama" and config.get(biased):
                    yield f"{path}.{part}.{name}.bias", shape[:1]
    yield "model.norm.weight", [hidden]
    if not config.get("tie_word_embeddings"):
        yield "lm_head.weight", [vocab, hidden]


def encode(values, dtype):
    """Little-endian bytes of `values`; bf16 is rounded toward zero."""
    if dtype == "f16":
        return struct.pack(f"<{len(values)}e", *values)
    f32 = struct.pack(f"<{len(values)}f", *values)
    if dtype == "f32":
        return f32
    return array.array("H", f32)[1::2].tobytes()


class Writer:
    """Writes safetensors files of tensors whose values come from one random block."""

    def __init__(self, dtype, seed):
        self.name, self.width, _ = DTYPES[dtype]
        self.rng = random.Random(seed)
        block = encode([self.rng.gauss(0, 0.02) for _ in range(BLOCK)], dtype)
        self.block = memoryview(block + block)  # doubled: a slice may begin anywhere
        self.one = encode([1.0], dtype)

    def size(self, shape):
        return math.prod(shape) * self.width

    def write(self, path, shapes):
        header, end = {"__metadata__": {"format": "pt"}}, 0
        for name, shape in shapes:
            header[name] = {"dtype": self.name, "shape": shape, "data_offsets": [end, end + self.size(shape)]}
            end += self.size(shape)
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for name, shape in shapes:
                self.write_values(file, name, shape)

    def write_values(self, file, name, shape):
        if name.endswith("norm.weight"):
            file.write(self.one * shape[0])
            return
        left = self.size(shape)
        while left > 0:
            start = self.rng.randrange(BLOCK) * self.width
            count = min(left, BLOCK * self.width)
            file.write(self.block[start : start + count])
            left -= count


def split(shapes, writer, limit):
    """Lists of tensors, each of at most `limit` bytes or one tensor."""
    shards, filled = [[]], 0
    for name, shape in shapes:
        if shards[-1] and filled + writer.size(shape) > limit:
            shards.append([])
            filled = 0
        shards[-1].append((name, shape))
        filled += writer.size(shape)
    return shards


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the directory to write")
    parser.add_argument("--config", type=Path, required=True, help="config.json of a phi3, llama or mistral model")
    parser.add_argument("--layers", type=int, help="number of layers (default: the configuration's)")
    parser.add_argument("--dtype", choices=DTYPES, default="bf16")
    parser.add_argument("--shard-gb", type=float, default=math.inf, help="split into files of at most this size")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    if options.out.resolve() == options.config.resolve().parent:
        parser.error(f"{options.out} is the directory of the configuration; its weights would be replaced")
    config = json.loads(options.config.read_text())
    if options.layers is not None:
        config["num_hidden_layers"] = options.layers
    config["dtype" if "dtype" in config else "torch_dtype"] = DTYPES[options.dtype][2]

    writer = Writer(options.dtype, options.seed)
    shapes = list(tensors(config))
    shards = split(shapes, writer, options.shard_gb * 1e9)
    options.out.mkdir(parents=True, exist_ok=True)
    for stale in options.out.glob("model*.safetensors*"):
        stale.unlink()
    (options.out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    for name in TOKENIZER_FILES:
        if (options.config.parent / name).is_file():
            shutil.copyfile(options.config.parent / name, options.out / name)

    weight_map = {}
    for number, shard in enumerate(shards, 1):
        single = len(shards) == 1
        name = "model.safetensors" if single else f"model-{number:05}-of-{len(shards):05}.safetensors"
        writer.write(options.out / name, shard)
        weight_map |= {tensor: name for tensor, _ in shard}
    total = sum(writer.size(shape) for _, shape in shapes)
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (options.out / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
    print(f"{options.out}: {total // writer.width:,} parameters, {total / 1e9:.2f} GB in {len(shards)} file(s)")


if __name__ == "__main__":
    main()
