"""Writes what each stage of Hugging Face's tokenizers package makes of some strings, for
tests/frontend/tokenizer_stages_test.cpp.

    python tests/golden/make_tokenizer_stages.py tests/golden/tokenizer_stages.json

Made with tokenizers 0.23.3; another version is refused. Only characters that Unicode 3.2 has are used, so that the tables of
every program know them."""

import importlib.metadata
import json
import random
import sys
import unicodedata

from make_tokenizer import MARKS, make_strings
from tokenizers import Tokenizer

VERSION = "0.23.3"


def regex(pattern: str) -> dict:
    return {"Regex": pattern}


def split(pattern: dict, behavior: str, invert: bool = False) -> dict:
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def bert(clean: bool, chinese: bool, accents: bool | None, lower: bool) -> dict:
    return {"type": "BertNormalizer", "clean_text": clean, "handle_chinese_chars": chinese, "strip_accents": accents, "lowercase": lower}


NORMALIZERS = [
    *[{"type": name} for name in ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel"]],
    *[{"type": "Strip", "strip_left": left, "strip_right": right} for left, right in [(True, True), (True, False), (False, True)]],
    {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    {"type": "Replace", "pattern": {"String": "aa"}, "content": ""},
    {"type": "Replace", "pattern": regex(r"\s+"), "content": " "},
    {"type": "Replace", "pattern": regex(r" {2,}"), "content": "▁"},
    {"type": "Replace", "pattern": regex(r"\A +| +\z"), "content": ""},
    {"type": "Replace", "pattern": regex(r"\w"), "content": "w"},
    # What Oniguruma has otherwise than others: options, repetitions, sets, folding, classes, and matches of nothing.
    *[{"type": "Replace", "pattern": regex(pattern), "content": "-"}
      for pattern in [r"(?m:o.w)", r"a(?i)B|C", r"e{,2}l", r"l{2}?o", r"\v", r"(?i)ss|ﬁ", r"[a-z&&[^aeiou]]", r"\h", r"[[:^alpha:]]",
                      r"\b", r"(?=[A-Z])", r"$", r"^", r"a*", r"|l", r"\p{Greek}|\p{Han}", r"\p{^Alpha}", r"\R", r"(?<c>l)\k<c>"]],
    {"type": "Prepend", "prepend": "▁"},
    {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]},
    {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
    bert(True, True, None, True), bert(True, True, None, False), bert(False, False, True, False), bert(True, False, False, True),
    bert(False, True, False, False),
]  # fmt: skip

PRE_TOKENIZERS = [
    *[{"type": name} for name in ["Whitespace", "WhitespaceSplit", "BertPreTokenizer"]],
    *[{"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": words} for prefix in [True, False] for words in [True, False]],
    *[{"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cut} for scheme in ["always", "first", "never"] for cut in [True, False]],
    {"type": "Metaspace", "replacement": "_", "prepend_scheme": "always", "split": True},
    *[{"type": "Digits", "individual_digits": single} for single in [True, False]],
    *[{"type": "Punctuation", "behavior": behavior} for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]],
    *[split(pattern, behavior, invert)
      for pattern in [{"String": " "}, {"String": "a"}, regex(r"\s+"), regex(r"[^\s\p{L}]")]
      for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
      for invert in [False, True]],
    split(regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), "Isolated"),
    split(regex(r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s+"), "Isolated"),
    split(regex(r"\S+"), "Removed", True),
    split(regex(r"\W"), "Isolated"),
    split(regex(r"[\w-]+"), "Isolated"),
    split(regex(r"^.|.$"), "Isolated"),
    *[split(regex(r"(?=[A-Z ])|l*"), behavior) for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]],
    {"type": "CharDelimiterSplit", "delimiter": "e"},
    {"type": "FixedLength", "length": 3},
    {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]},
    {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}]},
]  # fmt: skip

LLAMA = [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]
DECODERS = [
    None,
    {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    {"type": "ByteFallback"},
    {"type": "Fuse"},
    *[{"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": True} for scheme in ["always", "never"]],
    *[{"type": "WordPiece", "prefix": "##", "cleanup": cleanup} for cleanup in [True, False]],
    {"type": "BPEDecoder", "suffix": "</w>"},
    *[{"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": cleanup} for cleanup in [True, False]],
    {"type": "Sequence", "decoders": LLAMA},
    *[{"type": "Sequence", "decoders": [*LLAMA, {"type": "Strip", "content": " ", "start": start, "stop": stop}]} for start, stop in [(1, 0), (2, 1), (0, 2)]],
    {"type": "Sequence", "decoders": [{"type": "Strip", "content": "▁", "start": 1, "stop": 1}, {"type": "Replace", "pattern": regex("a+"), "content": "<a>"}]},
    {"type": "Sequence", "decoders": [*LLAMA, {"type": "Replace", "pattern": {"String": "ab"}, "content": "-"}]},
]  # fmt: skip
TOKENS = ["▁the", "▁", "▁▁", "a", "ab", "▁a", "Ġthe", "Ġ", "Ċ", "Ã", "©", "Ã©", "é", "<0x41>", "##ing", "##", "word", ".", ",", "n't", "'s",
          " ", " x ", "lo</w>", "w</w>", "</w>", "<pad>", "|", "do not", "<0xE4>", "<0x0A>", "<s>", "aa", "b", "世"]  # fmt: skip


def with_stage(**stages) -> Tokenizer:
    model = {"type": "WordLevel", "vocab": {"x": 0}, "unk_token": "x"}
    return Tokenizer.from_str(json.dumps({"version": "1.0", "added_tokens": [], "model": model, **stages}))


def known(text: str) -> bool:
    return all(unicodedata.ucd_3_2_0.category(c) not in ("Cn", "Cs") for c in text)


def main(out: str) -> None:
    found = importlib.metadata.version("tokenizers")
    assert found == VERSION, f"expected tokenizers {VERSION}, found {found}"
    rng = random.Random(5)
    strings = [s.decode("utf-8", "replace") for s in make_strings(["<s>", "<|end|>"])]
    texts = ["", " ", "a", "Hello, world! It's 3.14 — naïve café; İSTANBUL ΑΣ ß ﬁ ① ½ Ⅷ", "word  two\t\tthree\r\nfour", "漢字かな한글 각 ᄀ\u1161\u11a8 \u0958\u0344\u0f73",
             "x\u0000y\ufffdz\u00ad\u200b", "\u1e69\u0307\u0323s\u0323\u0307 q\u0307\u0323", *[a + b + c for a in "aש" for b in MARKS[:4] for c in MARKS[3:7]]]  # fmt: skip
    texts += rng.sample([s for s in strings if known(s) and len(s) < 60], 110)
    texts = [text for text in dict.fromkeys(texts) if known(text)]

    normalizers = []
    for config in NORMALIZERS:
        stage = with_stage(normalizer=config).normalizer
        normalizers.append({"config": config, "out": [stage.normalize_str(text) for text in texts]})
    pre_tokenizers = []
    for config in PRE_TOKENIZERS:
        stage = with_stage(pre_tokenizer=config).pre_tokenizer
        pre_tokenizers.append({"config": config, "out": [[word for word, _ in stage.pre_tokenize_str(text)] for text in texts]})
    decoders = []
    for config in DECODERS:
        stage = with_stage(decoder=config).decoder
        rows = []
        for _ in range(60):
            tokens = [rng.choice(TOKENS) for _ in range(rng.randint(0, 8))]
            try:
                text = " ".join(tokens) if stage is None else stage.decode(tokens)
            except BaseException as error:
                if type(error).__name__ != "PanicException":  # Strip of more than the token has
                    raise
                continue
            # Bytes that are no text are decoded otherwise on purpose: see frontend/tokenizer/decoder.h.
            if "ByteLevel" in str(config) or not ("<0xE4>" in tokens and "ByteFallback" in str(config)):
                rows.append([tokens, text])
        decoders.append({"config": config, "rows": rows})
    golden = {"tokenizers": VERSION, "texts": texts, "normalizers": normalizers, "pre_tokenizers": pre_tokenizers, "decoders": decoders}
    with open(out, "w", encoding="utf-8") as file:
        json.dump(golden, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")
    print(f"{out}: {len(texts)} texts, {len(normalizers)} normalizers, {len(pre_tokenizers)} pre-tokenizers, {len(decoders)} decoders")


if __name__ == "__main__":
    main(*sys.argv[1:])
