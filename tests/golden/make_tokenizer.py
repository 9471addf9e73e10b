"""Writes what transformers makes of a few thousand strings, for tests/frontend/tokenizer_golden_test.cpp, after checking
that sentencepiece makes the same of them.

    python tests/golden/make_tokenizer.py MODEL_DIRECTORY OUT.json

Made with transformers 5.24.0, tokenizers 0.23.3 and sentencepiece 0.2.3; other versions are refused. The strings are drawn
from a fixed seed: all scripts, emoji, control characters, runs of whitespace, added tokens in every position, combining
marks, bytes that are no UTF-8, code. What is too bulky to store whole is stored as a 32-bit FNV-1a hash: ids joined by
commas, or decoded text.
"""

import json
import os
import random
import re
import shutil
import sys
import tempfile

VERSIONS = {"transformers": "5.24.0", "tokenizers": "0.23.3", "sentencepiece": "0.2.3"}
SCRIPTS = [
    (0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x17F), (0x180, 0x24F), (0x250, 0x2AF), (0x370, 0x3FF), (0x400, 0x4FF),
    (0x531, 0x58F), (0x5D0, 0x5EA), (0x620, 0x64A), (0x710, 0x72F), (0x904, 0x939), (0x985, 0x9B9), (0xA05, 0xA39),
    (0xA85, 0xAB9), (0xB85, 0xBB9), (0xC05, 0xC39), (0xD05, 0xD39), (0xD85, 0xDC6), (0xE01, 0xE3A), (0xE81, 0xEB0),
    (0xF40, 0xF6C), (0x1000, 0x102A), (0x10D0, 0x10FA), (0x1100, 0x11FF), (0x1200, 0x1248), (0x13A0, 0x13F4),
    (0x1401, 0x166C), (0x16A0, 0x16EA), (0x1780, 0x17B3), (0x1820, 0x1877), (0x1E00, 0x1EFF), (0x1F00, 0x1FFC),
    (0x2070, 0x209C), (0x20A0, 0x20BF), (0x2100, 0x214F), (0x2190, 0x22FF), (0x2500, 0x257F), (0x2800, 0x28FF),
    (0x2C00, 0x2C5F), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x3105, 0x312F), (0x3400, 0x34FF), (0x4E00, 0x9FA5),
    (0xA000, 0xA48C), (0xAC00, 0xD7A3), (0xE000, 0xE0FF), (0xFB00, 0xFB06), (0xFE70, 0xFEFC), (0xFF01, 0xFF5E),
    (0x10330, 0x1034A), (0x10400, 0x1044F), (0x12000, 0x120FF), (0x13000, 0x130FF), (0x1D400, 0x1D7FF),
    (0x20000, 0x200FF), (0xF0000, 0xF00FF), (0x10FFF0, 0x10FFFF),
]  # fmt: skip
WHITESPACE = [" ", "  ", "   ", " " * 7, " " * 16, "\n", "\n\n", "\r\n", "\t", "\t\t", "\v", "\f", "\x85", "\xa0", "\u1680",
              "\u2003", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u200b", "\ufeff"]  # fmt: skip
WORDS = """the of and a to in is you that it he was for on are as with his they I at be this have from or one had by word but
not what all were we when your can said there use an each which she do how their if will up other about out many then them
Hello world Paris France capital Redemption gardening mishap antidisestablishmentarianism DNA iPhone naïve café 3.14 1,000
2024-02-29 don't it's U.S.A. e-mail C++ def return lambda x: self.__init__(*args, **kwargs) {"key": [1, 2]} <div></div>
for(i=0;i<n;++i) #include <vector> https://example.org/a?b=c&d=%20 a_b_c camelCase ALLCAPS 0xFF \\n \\t === --- !!! ???
Straße Übermut garçon mañana smörgåsbord привет мир Ελληνικά שלום مرحبا नमस्ते สวัสดี こんにちは 世界 안녕하세요""".split()
EMOJI = ["😀", "👍🏽", "👨‍👩‍👧‍👦", "🇫🇷", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "❤️", "🤷🏾‍♀️", "1️⃣", "🪿", "☃", "⏳", "🦆"]
MARKS = ["\u0300", "\u0301", "\u0308", "\u0323", "\u0330", "\u20d7", "\u05b0", "\u064b", "\u093f", "\u0e31", "\u302a", "\ufe0f",
         "\u200d", "\u200e", "\u200f", "\u202b", "\u202c", "\u2066", "\u2069"]  # fmt: skip
LITERALS = ["▁", "▁▁", "▁ ", " ▁", "▁the", "a▁b", "<0x0A>", "<0xFF>", "<0x", "x<0x41>y", "<unk>", "<unk", "\ufffd", "\ufffe", "\uffff"]
BROKEN = [b"\x80", b"\xbf", b"\xc0", b"\xc1", b"\xc3", b"\xc0\x80", b"\xe0\x80\x80", b"\xe0\xa0", b"\xe2\x96", b"\xed\xa0\x80",
          b"\xed\xb0\x80", b"\xef\xbf", b"\xf0\x80\x80\x80", b"\xf0\x9f", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80", b"\xf5", b"\xfe", b"\xff",
          b"\xf8\x88\x80\x80\x80", b"\xe1\x80\xe2\x82\x41"]  # fmt: skip


def make_strings(added: list[str], more: int = 0) -> list[bytes]:
    """`more`: that many more strings of words and spaces."""
    rng = random.Random(20240229)
    texts: list[str] = ["", "The capital of France is", "The Shawshank", "def f(x):\n    return x+1", *LITERALS, *WHITESPACE, *added]

    def from_script(length: int) -> str:
        low, high = rng.choice(SCRIPTS)
        return "".join(chr(rng.randint(low, high)) for _ in range(length))

    def words(count: int) -> str:
        return "".join(rng.choice(WORDS) + rng.choice([" ", " ", " ", "", "  ", "\n"]) for _ in range(count))

    for low, high in SCRIPTS:
        for _ in range(3):
            letters = "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 8)))
            texts += [letters, rng.choice(WORDS) + " " + letters + " " + letters[::-1]]
    for _ in range(560 + more):
        texts.append(words(rng.randint(1, 6)))
    for _ in range(120):
        texts.append("".join(rng.choice(EMOJI + [" ", "a"]) for _ in range(rng.randint(1, 4))))
    for _ in range(120):
        controls = "".join(chr(rng.choice([*range(32), 127, *range(128, 160)])) for _ in range(rng.randint(1, 4)))
        texts.append(rng.choice(["", "a", " ", "word "]) + controls + rng.choice(["", "b", " ", " word"]))
    for _ in range(250):
        texts.append("".join(rng.choice(WHITESPACE) + rng.choice(["", "", "a", "The"]) for _ in range(rng.randint(1, 5))))
    for token in added:
        for space in [" ", "\n", " \t\u3000\n ", "\u2028", "\u200b", "\x1c"]:
            texts += [space + token, token + space, "a" + space + token + space + "b"]
        texts += [token + "a", "a" + token, "a" + token + "b", token + token, token[:-1], token[1:], token[:-1] + token, token + token[0]]
        texts += [token.upper(), token.replace("|", "||"), token[0] + token, token + " " + token + "\n" + token]
    for _ in range(350):
        parts = [rng.choice([*added, *WHITESPACE, *WORDS, "", from_script(2)]) for _ in range(rng.randint(2, 6))]
        texts.append("".join(parts))
    for _ in range(120):
        texts.append("".join(rng.choice(["e", "A", "ש", "ع", "क", "한", " "]) + rng.choice(MARKS) for _ in range(rng.randint(1, 5))))
    for _ in range(60):
        texts.append(rng.choice("aA0 =-.\n▁é漢") * rng.randint(2, 150))
    for _ in range(60):
        texts.append("".join(rng.choice("abcdefgnorst") for _ in range(rng.randint(10, 60))))
    for _ in range(120):
        texts.append("".join(rng.choice(["", " ", "  "]) + rng.choice(LITERALS + WORDS) for _ in range(rng.randint(1, 4))))
    for _ in range(250):
        code_points = [rng.choice([rng.randint(1, 0x2FF), rng.randint(0, 0xD7FF), rng.randint(0xE000, 0x10FFFF)]) for _ in range(4)]
        texts.append("".join(chr(c) + rng.choice(["", " "]) for c in code_points))

    strings = [text.encode() for text in texts]
    strings += BROKEN
    for _ in range(250):
        pieces = [rng.choice(BROKEN), rng.choice([*WORDS, *added, " ", "", "é", "😀"]).encode(), bytes([rng.randint(0, 255)])]
        rng.shuffle(pieces)
        strings.append(b"".join(pieces))
    return list(dict.fromkeys(strings))


def fnv(data: bytes) -> int:
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def fnv_ids(ids: list[int]) -> int:
    return fnv(",".join(map(str, ids)).encode())


def load_changed(directory: str, changes: dict, load):
    """What load makes of a copy of the directory whose tokenizer_config.json has other values."""
    with tempfile.TemporaryDirectory() as copy:
        for name in ["tokenizer.model", "added_tokens.json", "config.json"]:
            if os.path.exists(os.path.join(directory, name)):
                shutil.copyfile(os.path.join(directory, name), os.path.join(copy, name))
        with open(os.path.join(directory, "tokenizer_config.json"), encoding="utf-8") as file:
            config = json.load(file) | changes
        with open(os.path.join(copy, "tokenizer_config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        return load(copy)


class SecondSource:
    """sentencepiece, with what is around it written anew: added tokens with the whitespace they take, and the space that
    is put in front of a text (of every text between added tokens when `legacy`)."""

    WHITESPACE = "[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*"  # Unicode's White_Space

    def __init__(self, directory: str):
        import sentencepiece
        from sentencepiece import sentencepiece_model_pb2

        with open(os.path.join(directory, "tokenizer_config.json"), encoding="utf-8") as file:
            config = json.load(file)
        model = sentencepiece_model_pb2.ModelProto()
        with open(os.path.join(directory, "tokenizer.model"), "rb") as file:
            model.ParseFromString(file.read())
        model.normalizer_spec.add_dummy_prefix = False
        self.model = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
        self.prefix = config.get("add_prefix_space", True)
        self.legacy = config.get("legacy", False)
        self.bos = [self.model.bos_id()] if config["add_bos_token"] else []
        added = {token["content"]: (int(id), token) for id, token in config["added_tokens_decoder"].items()}
        self.ids = {content: id for content, (id, _) in added.items()}
        patterns = []
        for content in sorted(added, key=len, reverse=True):
            token = added[content][1]
            assert not token["single_word"] and not token["normalized"] and not token["lstrip"]
            patterns.append(f"(?:{re.escape(content)}{self.WHITESPACE if token['rstrip'] else ''})")
        self.added = re.compile("|".join(patterns))

    def section(self, text: str, begin: int) -> list[int]:
        if self.prefix and (self.legacy or (begin == 0 and text[0] not in " ▁")):
            text = " " + text
        return self.model.encode(text)

    def encode(self, text: str) -> list[int]:
        ids, done = list(self.bos), 0
        for match in self.added.finditer(text):
            if done < match.start():
                ids += self.section(text[done : match.start()], done)
            ids.append(next(self.ids[c] for c in sorted(self.ids, key=len, reverse=True) if match[0].startswith(c)))
            done = match.end()
        return ids + (self.section(text[done:], done) if done < len(text) else [])

    def decode(self, tokenizer, ids: list[int], skip_special: bool) -> str:
        """transformers' text, with the run of bytes that is no UTF-8 decoded as sentencepiece does: only the broken bytes
        are U+FFFD, not the whole run."""
        text, run = "", b""
        special = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special and skip_special}
        for id in [*ids, None]:
            if id in special:
                continue
            token = None if id is None else tokenizer.convert_ids_to_tokens(id)
            if token and re.fullmatch("<0x[0-9A-F]{2}>", token):
                run += bytes([int(token[3:5], 16)])
                continue
            while run:
                length = next((n for n in range(1, 5) if is_char(run[:n])), 0)
                text += run[:length].decode() if length else "\ufffd"
                run = run[length or 1 :]
            text += (token or "").replace("▁", " ")
        return text[1:] if self.prefix and text.startswith(" ") else text


def is_char(data: bytes) -> bool:
    try:
        return len(data.decode()) == 1
    except UnicodeDecodeError:
        return False


def main(directory: str, out: str) -> None:
    import importlib.metadata

    for package, version in VERSIONS.items():
        found = importlib.metadata.version(package)
        assert found == version, f"expected {package} {version}, found {found}"
    from transformers import AutoTokenizer, LlamaTokenizer

    tokenizer, second = AutoTokenizer.from_pretrained(directory), SecondSource(directory)
    added = sorted(tokenizer.get_added_vocab(), key=tokenizer.get_added_vocab().get)
    strings = make_strings(added)
    texts = [string.decode("utf-8", "replace") for string in strings]
    ids = [tokenizer.encode(text) for text in texts]
    for text, found in zip(texts, ids):
        assert found == second.encode(text), f"{text!r}: transformers {found}, sentencepiece {second.encode(text)}"

    variants = []
    if not os.path.exists(os.path.join(directory, "tokenizer.json")):
        # AutoTokenizer does not ask for add_prefix_space; LlamaTokenizer does, but merges runs of spaces wrongly.
        for changes, load in [({"legacy": True}, AutoTokenizer), ({"add_prefix_space": False}, LlamaTokenizer)]:
            changed, other = (load_changed(directory, changes, l) for l in (load.from_pretrained, SecondSource))
            for text in texts:
                runs = load is LlamaTokenizer and re.search("[ ▁]{2}", text)
                assert runs or changed.encode(text) == other.encode(text), (changes, text)
            hashes = [fnv_ids(other.encode(text)) for text in texts]
            variants.append({"changes": changes, "hash_of_all_ids": hashes})

    rng = random.Random(7)
    byte_ids = [i for i in (tokenizer.convert_tokens_to_ids(f"<0x{byte:02X}>") for byte in range(256)) if i is not None]
    decodes, broken = [], 0
    for _ in range(200):
        choices = [rng.randrange(len(tokenizer)) for _ in range(6)] + rng.sample(byte_ids, 6)
        choices += tokenizer.encode(rng.choice([*EMOJI, *WORDS, " ▁ "]), add_special_tokens=False)
        sample = [rng.choice(choices) for _ in range(rng.randint(0, 12))]
        if rng.random() < 0.5:  # whole characters, too
            sample += tokenizer.encode(rng.choice(EMOJI), add_special_tokens=False)
        row = [sample]
        for skip_special in [True, False]:
            text = second.decode(tokenizer, sample, skip_special)
            theirs = tokenizer.decode(sample, skip_special_tokens=skip_special)
            broken += "\ufffd" in theirs
            assert "\ufffd" in theirs or text == theirs, (sample, text, theirs)
            row.append(text)
        decodes.append(row)
    assert broken < len(decodes) * 3 / 2, f"{broken} of {2 * len(decodes)} decodes have one source only"
    decoded = [tokenizer.decode(i, skip_special_tokens=True) for i in ids]
    for i, text in zip(ids, decoded):
        assert text == second.decode(tokenizer, i, True), i

    golden = {
        "versions": VERSIONS,
        "cases": [
            [string.decode() if string.decode("utf-8", "ignore").encode() == string else {"hex": string.hex()}, i]
            for string, i in zip(strings, ids)
        ],
        "decoded": [fnv(text.encode()) for text in decoded],
        "variants": variants,
        "decodes": decodes,
    }
    with open(out, "w", encoding="utf-8") as file:
        json.dump(golden, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")
    print(f"{out}: {len(strings)} strings, {len(decodes)} id sequences")


if __name__ == "__main__":
    main(*sys.argv[1:])
