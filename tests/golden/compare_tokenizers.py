"""Compares vitro's tokenizer with Hugging Face's tokenizers package on over 3,000 strings per published tokenizer.

    python tests/golden/compare_tokenizers.py [--vitro BINARY] [--time] [NAME…]

The tokenizers are fetched (bench/fetch/fetch.py) and, where the package has other files, turned into tokenizer.json by the
rules that the package states; the tokenizer of tokenizers 0.23.3 and, where there is one, a second program (tiktoken,
sentencepiece) must agree before vitro is asked. What is known to differ stands in KNOWN with its reason; anything else
ends with 1. With --time, 100 kB of text are tokenized by both, in turn."""

import argparse
import base64
import importlib.metadata
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench" / "fetch"), str(ROOT / "tests" / "golden")]
os.environ["HF_HUB_OFFLINE"] = "1"

from fetch import fetch  # noqa: E402
from make_tokenizer import make_strings  # noqa: E402
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors  # noqa: E402,F401

VERSIONS = {"tokenizers": "0.23.3", "transformers": "5.24.0"}
LLAMA3_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN_WORDS = LLAMA3_WORDS.replace("{1,3}", "")
GPT2_WORDS = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

def newer_mark(text: str, partings: list[dict]) -> str | None:
    """A published file decides, and a newer Unicode table is no error."""
    known = "\ua82c" in text
    return "U+A82C is a mark (Mn) since Unicode 13; StripAccents of tokenizers 0.23.3 does not know it yet" if known else None


def equal_scores(text: str, partings: list[dict]) -> str | None:
    """Two cuts that are equally probable but for rounding."""
    from sentencepiece import SentencePieceProcessor

    model = SentencePieceProcessor(model_file=str(ROOT / "build" / "models" / "unigram" / "tokenizer.model"))
    ours, theirs = (sum(model.get_score(id) for p in partings for id in p[side]) for side in ("ours", "theirs"))
    return "two cuts of the same score, which versions of sentencepiece round differently" if abs(ours - theirs) < 1e-3 else None


KNOWN = {"minilm": newer_mark, "unigram": equal_scores}


def byte_chars() -> dict[int, str]:
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}


def from_ranks(ranks: dict[bytes, int], first_id: int, words: str, special: dict[str, int], ignore_merges: bool) -> Tokenizer:
    """A byte-level BPE tokenizer of tiktoken's ranks: a token is merged from each pair of tokens that makes it."""
    chars = byte_chars()
    spell = {token: "".join(chars[byte] for byte in token) for token in ranks}
    merges = []
    for token, rank in ranks.items():
        pairs = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in ranks and token[i:] in ranks]
        merges += [(rank, ranks[a], ranks[b], spell[a], spell[b]) for a, b in pairs]
    vocab = {spell[token]: first_id + rank for token, rank in ranks.items()}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[m[3:] for m in sorted(merges)], ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(words), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return with_special(tokenizer, special)


def with_special(tokenizer: Tokenizer, special: dict[str, int]) -> Tokenizer:
    """The package numbers added tokens in order, after the vocabulary: the ids are set in the file."""
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] += [
        {"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for content, id in sorted(special.items(), key=lambda item: item[1])]  # fmt: skip
    data["model"]["vocab"] |= special
    return Tokenizer.from_str(json.dumps(data))


def read_ranks(path: Path) -> dict[bytes, int]:
    lines = (line.split() for line in path.read_bytes().splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in lines}


def tiktoken_of(ranks: dict[bytes, int], first_id: int, words: str, special: dict[str, int]):
    import tiktoken

    encoding = tiktoken.Encoding("second source", pat_str=words, mergeable_ranks=ranks, special_tokens={})
    if any(token for token in special if token != "<|endoftext|>") or first_id:
        return lambda text: None if any(token in text for token in special) else [first_id + i for i in encoding.encode(text)]
    return lambda text: None if "<|endoftext|>" in text else encoding.encode(text)


def llama3(folder: Path):
    ranks = read_ranks(folder / "ranks.tiktoken")
    names = ["<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>",
             "<|finetune_right_pad_id|>", "<|step_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>",
             "<|eot_id|>", "<|python_tag|>", "<|image|>"]  # fmt: skip
    special = {name: len(ranks) + i for i, name in enumerate(names)}
    return from_ranks(ranks, 0, LLAMA3_WORDS, special, True), tiktoken_of(ranks, 0, LLAMA3_WORDS, special)


def qwen(folder: Path):
    ranks = read_ranks(folder / "ranks.tiktoken")
    special = {name: len(ranks) + i for i, name in enumerate(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])}
    tokenizer = from_ranks(ranks, 0, QWEN_WORDS, special, False)
    return tokenizer, tiktoken_of(ranks, 0, QWEN_WORDS, special)


def gpt2(folder: Path):
    ranks = read_ranks(folder / "ranks.tiktoken")
    special = {"<|endoftext|>": len(ranks)}
    return from_ranks(ranks, 0, GPT2_WORDS, special, False), tiktoken_of(ranks, 0, GPT2_WORDS, special)


def tekken(folder: Path):
    data = json.loads((folder / "tekken.json").read_bytes())
    config = data["config"]
    first = config["default_num_special_tokens"]
    ranks = {base64.b64decode(e["token_bytes"]): e["rank"] for e in data["vocab"][: config["default_vocab_size"] - first]}
    special = {e["token_str"]: e["rank"] for e in data.get("special_tokens") or []}
    special = special or {"<unk>": 0, "<s>": 1, "</s>": 2, "[INST]": 3, "[/INST]": 4}
    words = config["pattern"]
    return from_ranks(ranks, first, words, special, True), tiktoken_of(ranks, first, words, special)


def minilm(folder: Path):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer, lambda text: None


def gguf_fields(folder: Path):
    from gguf import GGUFReader

    fields = GGUFReader(str(folder / "model.gguf")).fields
    return lambda key: fields[f"tokenizer.ggml.{key}"].contents()


def smollm2(folder: Path):
    field = gguf_fields(folder)
    tokens, types = field("tokens"), field("token_type")
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=[tuple(m.split(" ")) for m in field("merges")]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return with_special(tokenizer, {t: i for i, t in enumerate(tokens) if types[i] == 3}), lambda text: None


def sentencepiece_pair(proto, legacy: bool):
    """transformers' converter, and sentencepiece itself for texts without special tokens."""
    import sentencepiece
    from transformers.convert_slow_tokenizer import SpmConverter

    pieces = list(proto.pieces)
    is_unigram = proto.trainer_spec.model_type == 1
    vocab = [(p.piece, p.score) for p in pieces] if is_unigram else {p.piece: i for i, p in enumerate(pieces)}
    tokenizer = SpmConverter.build_tokenizer_from_spm_proto(proto, vocab, legacy=legacy)
    tokenizer.add_special_tokens([AddedToken(p.piece, normalized=False, special=True) for p in pieces if p.type in (2, 3)])
    prefix = proto.normalizer_spec.add_dummy_prefix
    proto.normalizer_spec.add_dummy_prefix = False
    model = sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())
    special = [p.piece for p in pieces if p.type in (2, 3)]

    def second(text: str):
        if any(token in text for token in special):
            return None
        return model.encode((" " if prefix and text and text[0] not in " ▁" else "") + text)

    return tokenizer, second


def mistral(folder: Path):
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString((folder / "tokenizer.model").read_bytes())
    (folder / "tokenizer_config.json").write_text('{"add_bos_token": false, "legacy": false}')
    return sentencepiece_pair(proto, False)


def gemma3(folder: Path):
    from sentencepiece import sentencepiece_model_pb2

    field = gguf_fields(folder)
    tokens, scores, types = field("tokens"), field("scores"), field("token_type")
    proto = sentencepiece_model_pb2.ModelProto()
    for i, (token, score, type) in enumerate(zip(tokens, scores, types)):
        token = token.replace(" ", "▁") if type == 4 else token  # GGUF spells what the user defined as text
        proto.pieces.add(piece=token, score=score, type=2 if i == field("unknown_token_id") else type)
    proto.trainer_spec.model_type, proto.trainer_spec.byte_fallback = 2, True
    proto.normalizer_spec.add_dummy_prefix = field("add_space_prefix")
    proto.normalizer_spec.remove_extra_whitespaces = False
    (folder / "tokenizer.model").write_bytes(proto.SerializeToString())
    (folder / "tokenizer_config.json").write_text('{"add_bos_token": false, "legacy": false, "bos_token": "<bos>"}')
    return sentencepiece_pair(proto, False)


def unigram(folder: Path):
    """A model of our own, trained on the documents here: Unigram with nmt_nfkc's table of replacements."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "corpus").write_text(sample_text() + "".join(s.decode("utf-8", "ignore") + "\n" for s in make_strings([])))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus"), model_prefix=str(folder / "tokenizer"), vocab_size=3000, model_type="unigram",
        byte_fallback=True, character_coverage=0.98, minloglevel=2)  # fmt: skip
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString((folder / "tokenizer.model").read_bytes())
    (folder / "tokenizer_config.json").write_text('{"add_bos_token": false, "legacy": true}')
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    tokenizer, _ = sentencepiece_pair(proto, True)
    special = ["<unk>", "<s>", "</s>"]
    return tokenizer, lambda text: None if any(token in text for token in special) else model.encode(text)


# name: what is fetched, how the reference is made, which file vitro reads
TOKENIZERS = {
    "gpt2": ("gpt2", gpt2, "tokenizer.json"),
    "llama3": ("llama3", llama3, "tokenizer.json"),
    "qwen": ("qwen", qwen, "tokenizer.json"),
    "tekken": ("mistral", tekken, "tokenizer.json"),
    "minilm": ("minilm", minilm, "tokenizer.json"),
    "smollm2": ("smollm2", smollm2, "tokenizer.json"),
    "mistral": ("mistral", mistral, "tokenizer.model"),
    "gemma3": ("gemma3-270m", gemma3, "tokenizer.model"),
    "gemma3-json": ("gemma3-270m", gemma3, "tokenizer.json"),
    "smollm2-gguf": ("smollm2", smollm2, "model.gguf"),
    "gemma3-gguf": ("gemma3-270m", gemma3, "model.gguf"),
    "unigram": (None, unigram, "tokenizer.model"),
    "unigram-json": (None, unigram, "tokenizer.json"),
}


def sample_text() -> str:
    files = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "frontend").rglob("*.cpp"))]
    text = "".join(file.read_text() for file in files)
    return text[:100_000]


def compare(name: str, vitro: str, timed: bool) -> int:
    """How many strings differ for no known reason."""
    source, make, file = TOKENIZERS[name]
    folder = fetch(source) if source else ROOT / "build" / "models" / name
    tokenizer, second = make(folder)
    work = ROOT / "build" / "models" / "tokenizers" / name
    work.mkdir(parents=True, exist_ok=True)
    before = []  # the tokens that the file puts in front
    if file == "tokenizer.json":
        tokenizer.save(str(work / file))
    elif file == "model.gguf":
        work, field = folder, gguf_fields(folder)
        before = [field("bos_token_id")] if field("add_bos_token") else []
    else:
        for part in [file, "tokenizer_config.json"]:
            (work / part).write_bytes((folder / part).read_bytes())
    added = [token.content for _, token in sorted(tokenizer.get_added_tokens_decoder().items())][:40]
    texts = [string.decode("utf-8", "replace") for string in make_strings(added, 900)]
    rows, agreed, apart = [], 0, 0
    for text in texts:
        ids, other = tokenizer.encode(text).ids, second(text)
        agreed += other is not None and ids == other
        if other is not None and ids != other:
            apart += 1
            continue  # the sources part: nobody says what is right
        rows.append({"text": text, "ids": before + ids})
    table = work / "table.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = work / "model.gguf" if file == "model.gguf" else work
    out = subprocess.run([vitro, "tokenize", "-m", str(model), "--check", str(table), "--json"], capture_output=True, text=True)
    if out.returncode not in (0, 1) or not out.stdout:
        sys.exit(f"{name}: vitro ended with {out.returncode}: {out.stderr}")
    report = json.loads(out.stdout)
    texts_apart: dict[str, list[dict]] = {}
    for parting in report["partings"]:
        row = rows[int(parting["text"].rsplit(" ", 1)[1]) - 1]
        texts_apart.setdefault(row["text"], []).append(parting)
    known, unknown = {}, []
    for text, partings in texts_apart.items():
        reason = KNOWN[name](text, partings) if name in KNOWN else None
        known.setdefault(reason, []).append(text) if reason else unknown.append((text, partings))
    print(f"{name}: {report['texts']} strings, {report['different']} differ; a second source agrees on {agreed}, parts on {apart}")
    for reason, found in known.items():
        print(f"  {len(found)}: {reason}")
    for text, partings in unknown[:5]:
        print(f"  {text!r}\n    {partings}")
    if timed and not before:
        measure(tokenizer, vitro, model)
    return len(unknown)


def measure(tokenizer: Tokenizer, vitro: str, model: Path) -> None:
    text = sample_text()
    work = model if model.is_dir() else model.parent
    (work / "text").write_text(text)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        ids = tokenizer.encode(text).ids
        times.append(time.perf_counter() - began)
    (work / "ids").write_text(json.dumps(ids))
    command = [vitro, "tokenize", "-m", str(model), "--check", str(work / "text"), "--against", str(work / "ids"), "--json"]
    ours = [json.loads(subprocess.run(command, capture_output=True, text=True).stdout) for _ in range(3)]
    seconds = min(report["seconds"] for report in ours)
    print(f"  {len(text.encode())} bytes: tokenizers {min(times) * 1e3:.1f} ms, vitro {seconds * 1e3:.1f} ms", end="")
    print(f", ratio {seconds / min(times):.2f}, {ours[0]['different']} differ")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TOKENIZERS))
    parser.add_argument("--vitro", default=str(ROOT / "build" / "release" / "vitro"))
    parser.add_argument("--time", action="store_true")
    arguments = parser.parse_args()
    for package, version in VERSIONS.items():
        found = importlib.metadata.version(package)
        assert found == version, f"expected {package} {version}, found {found}"
    sys.exit(sum([compare(name, arguments.vitro, arguments.time) for name in arguments.names or TOKENIZERS]) > 0)
