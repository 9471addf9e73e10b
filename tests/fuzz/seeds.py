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


def templates():
    for case in json.loads((ROOT / "tests/golden/jinja.json").read_text())["cases"]:
        yield case["template"].encode()
    for family in json.loads((ROOT / "tests/golden/chat.json").read_text())["families"]:
        yield family["template"].encode()


def gguf(keys, tensors, data):
    def text(value):
        return struct.pack("<Q", len(value)) + value.encode()

    def value_of(value):
        if isinstance(value, str):
            return 8, text(value)
        if isinstance(value, float):
            return 6, struct.pack("<f", value)
        if isinstance(value, list):
            kind = value_of(value[0])[0]
            return 9, struct.pack("<IQ", kind, len(value)) + b"".join(value_of(one)[1] for one in value)
        return 4, struct.pack("<I", value)

    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    for key, value in keys.items():
        kind, payload = value_of(value)
        out += text(key) + struct.pack("<I", kind) + payload
    for name, (dims, kind, offset) in tensors.items():
        out += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)
    return out + bytes(-len(out) % 32) + data


def gguf_files():
    llama = {"general.architecture": "llama", "llama.vocab_size": 4, "llama.context_length": 64, "llama.embedding_length": 32,
             "llama.block_count": 1, "llama.feed_forward_length": 32, "llama.attention.head_count": 2,
             "llama.attention.layer_norm_rms_epsilon": 1e-5, "llama.rope.freq_base": 10000.0}
    words = {"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": ["<unk>", "<s>", "a", "b"],
             "tokenizer.ggml.scores": [0.0, 0.0, -1.0, -2.0], "tokenizer.ggml.token_type": [2, 3, 1, 1],
             "tokenizer.chat_template": "{{ bos_token }}"}
    yield gguf({}, {}, b"")
    yield gguf(llama, {"token_embd.weight": ([32, 4], 8, 0), "rope_freqs.weight": ([8], 0, 160)}, bytes(192))
    yield gguf({**llama, **words, "general.alignment": 32}, {"output_norm.weight": ([32], 0, 0)}, bytes(128))
    yield gguf({"general.architecture": "phi3", "split.count": 2, "split.no": 0}, {"blk.0.attn_qkv.weight": ([256, 2], 12, 0)},
               bytes(288))


def main():
    kinds = {"graph": graphs, "json": json_files, "safetensors": safetensors_files, "gguf": gguf_files,
             "tokenizer": tokenizer_files, "config": configs, "jinja": templates}
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
