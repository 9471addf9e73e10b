// Tokenizer files for tests: a small vocabulary with all byte pieces, and the real one where this machine has it.
#pragma once

#include "frontend/tokenizer/tokenizer.h"
#include "tests/frontend/temp_dir.h"

#include <fmt/core.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vitro::test {

/// A protobuf field of the length-delimited kind.
inline std::string wire_bytes(int field, std::string_view bytes) {
    std::string out(1, static_cast<char>(field << 3 | 2));
    std::size_t size = bytes.size();
    for (; size > 127; size >>= 7) out += static_cast<char>((size & 127) | 128);
    out += static_cast<char>(size);
    return out.append(bytes);
}

/// A protobuf field whose value fits seven bits.
inline std::string wire_number(int field, int value) {
    return {static_cast<char>(field << 3), static_cast<char>(value)};
}

inline std::string wire_float(int field, float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    std::string out(1, static_cast<char>(field << 3 | 5));
    for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(bits >> shift & 0xff);
    return out;
}

/// One entry of tokenizer.model; types as in PieceType.
inline std::string wire_piece(std::string_view text, float score = 0, int type = 1) {
    return wire_bytes(1, wire_bytes(1, text) + wire_float(2, score) + wire_number(3, type));
}

/// The rest of tokenizer.model: a trainer that made a byte-pair model (2), with pieces for bytes or not, and a
/// normalizer that leaves spaces as they are.
inline std::string wire_trainer(int model_type = 2, bool byte_fallback = false) {
    const std::string fallback = "\x98\x02" + std::string(1, byte_fallback ? '\1' : '\0');  // field 35
    return wire_bytes(2, wire_number(3, model_type) + fallback) + wire_bytes(3, wire_number(4, 0));
}

/// <unk> <s> </s>, the 256 bytes from id 3, and these from id 259.
inline const std::vector<std::string>& small_words() {
    static const std::vector<std::string> words = {"▁t", "he", "▁the", "in", "▁a", "▁▁", "an", "▁",   "t",   "h", "e",
                                                   "a",  "i",  "n",    "b",  "c",  "ab", "bc", "abc", "cab", "é"};
    return words;
}
inline constexpr int kSmallBytes = 3;
inline constexpr int kSmallWords = 259;

inline std::string small_model() {
    std::string model = wire_piece("<unk>", 0, 2) + wire_piece("<s>", 0, 3) + wire_piece("</s>", 0, 3);
    for (int byte = 0; byte < 256; ++byte) model += wire_piece(fmt::format("<0x{:02X}>", byte), 0, 6);
    float score = 0;
    for (const std::string& word : small_words()) model += wire_piece(word, score -= 1);
    return model + wire_trainer(2, true);
}

/// The same vocabulary as a tokenizer.json, with `members` beside "model".
inline std::string small_tokenizer_json(std::string_view members) {
    std::string vocab = R"("<unk>": 0, "<s>": 1, "</s>": 2)";
    for (int byte = 0; byte < 256; ++byte) vocab += fmt::format(R"(, "<0x{:02X}>": {})", byte, kSmallBytes + byte);
    for (std::size_t i = 0; i < small_words().size(); ++i)
        vocab += fmt::format(R"(, "{}": {})", small_words()[i], static_cast<std::size_t>(kSmallWords) + i);
    return fmt::format(R"({{"model": {{"type": "BPE", "byte_fallback": true, "vocab": {{{}}}, "merges": ["▁ t", "h e",
                           "▁t he", "i n", "▁ a", "▁ ▁", "a n", "a b", "b c", "ab c", "c ab"]}}, {}}})",
                       vocab, members);
}

inline constexpr std::string_view kSmallConfig = R"({
  "add_bos_token": true, "legacy": false,
  "added_tokens_decoder": {
    "280": {"content": "<|end|>", "rstrip": true, "special": true},
    "281": {"content": "<|user|>", "lstrip": true, "special": true},
    "282": {"content": "tin", "single_word": true, "normalized": false},
    "283": {"content": "<|end|><|end|>", "special": true},
    "284": {"content": "n a", "normalized": true}
  }
})";
inline constexpr std::int64_t kSmallVocab = 290;

inline Tokenizer small_tokenizer(std::string_view config = kSmallConfig) {
    const TempDir directory;
    write_bytes(directory / "tokenizer.model", small_model());
    write_bytes(directory / "tokenizer_config.json", config);
    return Tokenizer::load(directory.path(), kSmallVocab);
}

/// The directory `name` of the data that tests may use, if this machine has it.
inline std::optional<std::filesystem::path> test_data(std::string_view name) {
    const char* folder = std::getenv("VITRO_TEST_DATA");
    if (folder == nullptr || *folder == '\0') return std::nullopt;
    return std::filesystem::path(folder) / name;
}

}  // namespace vitro::test
