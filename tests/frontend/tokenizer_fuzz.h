// Files of tokenizers that are damaged at random, for tests that run long or short.
#pragma once

#include "base/error.h"
#include "base/random.h"
#include "frontend/json.h"
#include "frontend/tokenizer/gguf_vocabulary.h"
#include "frontend/tokenizer/tokenizer_files.h"
#include "frontend/tokenizer/tokenizer_json.h"
#include "tests/frontend/tokenizer_files.h"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vitro::test {

inline std::size_t pick(Random& random, std::size_t size) {
    return static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(size) - 1));
}

/// Texts that reach what stages do with spaces, marks, bytes, digits, broken bytes and added tokens.
inline constexpr std::array<std::string_view, 6> kFuzzTexts{"",
                                                            "the  tin ▁abc\n世é",
                                                            "<|end|> A\u0301 ﬁ \xff\xc3 12345",
                                                            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                                            "\t \u3000\r\n",
                                                            "don't e\u0323\u0301 각 <0x0A> Ġ"};

/// Uses a tokenizer: no text and no id makes it do worse than throw an Error.
inline void use_tokenizer(const Tokenizer& tokenizer) {
    for (const std::string_view text : kFuzzTexts) {
        try {
            for (const Tokenizer::Piece& piece : tokenizer.encode_pieces(text)) {
                CHECK(piece.begin <= piece.end);
                CHECK(piece.end <= text.size());
            }
            tokenizer.decode(tokenizer.encode(text), false);
        } catch (const Error&) {
        }
    }
}

/// What a fuzzer calls: `input` is a tokenizer.json when it starts with "{", else a tokenizer.model.
inline void fuzz_tokenizer(std::string_view input) {
    constexpr std::int64_t kVocabSize = 1000;
    try {
        TokenizerParts parts;
        if (input.starts_with('{')) {
            parts = read_tokenizer_json(JsonValue::parse(input, "tokenizer.json"), kVocabSize);
        } else {
            const SentencePieceData data = parse_sentencepiece_file(input, "tokenizer.model", kVocabSize);
            add_sentencepiece_stages(data, PrependScheme::always, "tokenizer.model", parts);
        }
        use_tokenizer(Tokenizer(std::move(parts), kVocabSize));
    } catch (const Error&) {
    }
}

/// A stage of a tokenizer.json, any of those that exist.
inline std::string random_stage(Random& random) {
    static const std::vector<std::string_view> stages{
        R"("normalizer": {"type": "NFKD"})",
        R"("normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Strip", "strip_left": true, "strip_right": true}]})",
        R"("normalizer": {"type": "BertNormalizer", "strip_accents": true})",
        R"("normalizer": {"type": "Replace", "pattern": {"Regex": "(a|b)*\\s+"}, "content": "▁"})",
        R"("pre_tokenizer": {"type": "ByteLevel"})",
        R"("pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"})",
        R"x("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\p{N}{1,3}(?=(\\d{3})*\\b)"}, "behavior": "MergedWithNext"})x",
        R"("pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "BertPreTokenizer"}, {"type": "Digits"}]})",
        R"("post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "a"}}, {"Sequence": {}}], "special_tokens": {"a": {"ids": [1]}}})",
        R"("decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 1}]})",
        R"("decoder": {"type": "ByteLevel"})",
        R"("decoder": {"type": "WordPiece", "prefix": "##"})",
        R"("added_tokens": [{"id": 300, "content": "<|end|>", "rstrip": true}, {"id": 301, "content": " A", "normalized": true}])"};
    return std::string(stages[pick(random, stages.size())]);
}

/// A file that was sound before a few changes: bytes flipped, cut out, doubled, put elsewhere.
inline std::string mutated_tokenizer(Random& random) {
    static const std::string model = small_model();
    std::string bytes = model;
    const std::int64_t kind = random.integer(0, 3);
    if (kind == 1) bytes = small_tokenizer_json(random_stage(random) + ", \"x\": 1");
    if (kind >= 2)
        bytes =
            R"({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["?", 0], ["a", -1], ["▁the", -2.5], ["##b", -3]]}, )" +
            random_stage(random) + "}";
    for (std::int64_t changes = random.integer(0, 4); changes > 0 && !bytes.empty(); --changes) {
        const std::size_t at = pick(random, bytes.size());
        const std::size_t length = std::min(bytes.size() - at, static_cast<std::size_t>(random.integer(1, 12)));
        switch (random.integer(0, 3)) {
            case 0:
                bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.integer(0, 7)));
                break;
            case 1:
                bytes.erase(at, length);
                break;
            case 2:
                bytes.insert(pick(random, bytes.size()), bytes.substr(at, length));
                break;
            default:
                bytes[at] = "0123456789-{}[]\",:\\ "[pick(random, 20)];
        }
    }
    return bytes;
}

}  // namespace vitro::test
