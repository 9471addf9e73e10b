"""Writes the files that fuzzing begins with: seeds.py DIRECTORY makes DIRECTORY/graph, /json and so on.

They are files of the tree, whole or in parts, and graphs of what memory makes difficult.
"""

import hashlib
import json
import pathlib
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

CACHE = """symbol T <= 4
symbol S <= 2
%s = state f32 [4, 2, 1, 1]
%u = state f32 [4, 2, 1, 1]
%x = input f32 [T, 1, 1]
%p = input i32 [T]
%q = input i32 [T]
%t = input i32 [S, 4]
"""

GRAPHS = [
    # A view of a cache, copied and appended to the cache.
    CACHE + """%v = reshape(%s) {shape = [8, 1, 1]} : f32 [8, 1, 1]
%c = silu(%v) : f32 [8, 1, 1]
%i = constant i32 [8] {1, 2, 3, 4, 5, 6, 7, 0}
%z = constant i32 [8] {0, 0, 0, 0, 0, 0, 0, 0}
%n = kv_append(%s, %c, %i, %z, %t) : f32 [4, 2, 1, 1]
return %n
update %s = %n
""",
    # Two states, returned and updated; one is read before it is written over.
    CACHE + """%n = kv_append(%s, %x, %p, %q, %t) : f32 [4, 2, 1, 1]
%m = kv_append(%u, %x, %p, %q, %t) : f32 [4, 2, 1, 1]
%r = relu(%s) : f32 [4, 2, 1, 1]
return %r
return %n
update %s = %n
update %u = %m
""",
    # Indices that are constants, and indices that are computed.
    """symbol T <= 4
%x = input f32 [T, 6]
%table = weight bf16 [6, 4]
%i = constant i32 [3] {0, 5, 2}
%a = argmax(%x) : i32 [T]
%e = embed(%a, %table) : f32 [T, 4]
%f = embed(%i, %table) : f32 [3, 4]
%g = gather_rows(%x, %i) : f32 [3, 6]
return %e
return %f
return %g
""",
    # Folded, split, in place.
    """%a = constant f32 [2] {1, -2}
%b = constant f32 [1] {0.5}
%c = mul(%a, %b) : f32 [2]
%x = input f32 [3, 4]
%l, %r = split(%x) {axis = 1, sizes = [2, 2]} : f32 [3, 2], f32 [3, 2]
%d = add(%l, %c) : f32 [3, 2]
%e = silu(%d) : f32 [3, 2]
%f = concat(%e, %r) {axis = 1} : f32 [3, 4]
return %f
""",
]


def graphs():
    for lines in GRAPHS:
        yield ('graph "g"\n' + lines).encode()
    for path in [ROOT / "tests/tools/ffn.vt", *sorted((ROOT / "tests/passes/cases").glob("*.vt"))]:
        for part in path.read_text().split("=== "):
            begin = part.find('graph "')
            if begin >= 0:
                yield part[begin:].encode()


def json_files():
    for path in sorted(ROOT.glob("tests/golden/*/*.json")) + sorted(ROOT.glob("models/bundled/*/*.json")):
        if path.stat().st_size < 16000:
            yield path.read_bytes()
    yield b'{"a": [1, -0.5e-3, "\\u00e9\\ud83d\\ude00", null, true], "b": {}}'


def safetensors(tensors):
    header, offset = {}, 0
    for name, (dtype, shape, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(range(256))[:offset]


def safetensors_files():
    yield safetensors({"w": ("F32", [2, 3], 24)})
    yield safetensors({"a": ("BF16", [4], 8), "b": ("F8_E4M3", [2, 2], 4), "c": ("I64", [], 8), "d": ("F32", [0], 0)})
    yield safetensors({"__metadata__": ("F16", [1], 2)})


def tokenizer_files():
    names = ["tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"]
    bundled = ROOT / "models/bundled/tiny-phi3"
    for which, name in enumerate(names):
        yield bytes([which]) + b"{}"
        if (bundled / name).exists():
            yield bytes([which]) + (bundled / name).read_bytes()[:16000]
    yield bytes([2]) + json.dumps({
        "add_bos_token": True, "legacy": False,
        "added_tokens_decoder": {"280": {"content": "<|end|>", "rstrip": True, "special": True},
                                 "281": {"content": "tin", "single_word": True, "normalized": False}}}).encode()
    yield bytes([1]) + json.dumps({
        "added_tokens": [{"id": 280, "content": "<|end|>", "special": True}], "normalizer": {"type": "Prepend", "prepend": "_"},
        "pre_tokenizer": None, "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}).encode()


def configs():
    for path in sorted(ROOT.glob("tests/golden/*/config.json")):
        other = path.with_name("generation_config.json")
        yield path.read_bytes() + (b"\0" + other.read_bytes() if other.exists() else b"")


def main():
    kinds = {"graph": graphs, "json": json_files, "safetensors": safetensors_files, "tokenizer": tokenizer_files,
             "config": configs}
    for kind, make in kinds.items():
        directory = pathlib.Path(sys.argv[1]) / kind
        directory.mkdir(parents=True, exist_ok=True)
        count = 0
        for seed in make():
            (directory / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
            count += 1
        assert count > 0, kind
        print(f"{kind}: {count} seeds")


if __name__ == "__main__":
    main()
