#include "frontend/tokenizer/tokenizer.h"

#include "base/error.h"
#include "base/random.h"
#include "frontend/tokenizer/unicode.h"
#include "tests/frontend/tokenizer_files.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include <fmt/ranges.h>

#include <numeric>

using namespace vitro;
using vitro::test::small_tokenizer;
using vitro::test::TempDir;
using vitro::test::write_bytes;
using Ids = std::vector<std::int32_t>;

namespace {

/// Ids as their pieces: what a reader can check.
std::string pieces_of(const Tokenizer& tokenizer, std::string_view text, bool add_special = false) {
    std::vector<std::string> pieces;
    for (const std::int32_t id : tokenizer.encode(text, add_special)) pieces.emplace_back(tokenizer.piece(id));
    return fmt::format("{}", fmt::join(pieces, " "));
}

std::string error_of(const std::function<void()>& body) {
    try {
        body();
    } catch (const Error& error) {
        return error.what();
    }
    return "(no error)";
}

}  // namespace

TEST_CASE("pieces merge in the order of their scores, the leftmost first") {
    const Tokenizer tokenizer = small_tokenizer();
    CHECK(pieces_of(tokenizer, "the") == "▁the");
    CHECK(pieces_of(tokenizer, "ban") == "▁ b an");  // "▁b" is no piece
    CHECK(pieces_of(tokenizer, "<|end|>bcab") == "<|end|> bc ab");
    CHECK(pieces_of(tokenizer, "<|end|>cabc") == "<|end|> c abc");  // "ab", then "abc" before "cab"
    CHECK(pieces_of(tokenizer, "<|end|>aaan") == "<|end|> a a an");
}

TEST_CASE("a character without a piece becomes its bytes, or the unknown piece where there are none") {
    const Tokenizer tokenizer = small_tokenizer();
    CHECK(pieces_of(tokenizer, "é\n") == "▁ é <0x0A>");
    CHECK(pieces_of(tokenizer, "世") == "▁ <0xE4> <0xB8> <0x96>");
    CHECK(pieces_of(tokenizer, std::string("\0", 1)) == "▁ <0x00>");

    using test::wire_piece;
    const TempDir directory;
    write_bytes(directory / "tokenizer.model", wire_piece("<unk>", 0, 2) + wire_piece("a") + test::wire_trainer());
    write_bytes(directory / "tokenizer_config.json", R"({"add_prefix_space": false})");
    CHECK(Tokenizer::load(directory.path(), 2).encode("aéé世a") == Ids{1, 0, 1});
}

TEST_CASE("the word mark stands where the rule says") {
    const auto with = [](std::string_view entry) {
        return small_tokenizer(
            fmt::format(R"({{{}, "added_tokens_decoder": {{"280": {{"content": "<x>"}}}}}})", entry));
    };
    const Tokenizer first = with(R"("legacy": false)");
    CHECK(pieces_of(first, "a<x>a") == "▁a <x> a");
    CHECK(pieces_of(first, " a<x> a") == "▁a <x> ▁a");
    CHECK(pieces_of(first, "  a") == "▁ ▁a");
    CHECK(pieces_of(first, "▁a") == "▁a");
    CHECK(pieces_of(first, "<x>a") == "<x> a");
    CHECK(pieces_of(first, "") == "");
    const Tokenizer section = with(R"("legacy": true)");
    CHECK(pieces_of(section, "a<x>a<x> a") == "▁a <x> ▁a <x> ▁ ▁a");
    const Tokenizer never = with(R"("add_prefix_space": false)");
    CHECK(pieces_of(never, "a<x>a a") == "a <x> a ▁a");
}

TEST_CASE("added tokens: leftmost, then longest, with the whitespace they take") {
    const Tokenizer tokenizer = small_tokenizer();
    CHECK(pieces_of(tokenizer, "a <|end|> \n\t\u3000a") == "▁a ▁ <|end|> a");
    CHECK(pieces_of(tokenizer, "a \n<|user|> a") == "▁a <|user|> ▁a");
    CHECK(pieces_of(tokenizer, "<|end|><|end|><|end|>") == "<|end|><|end|> <|end|>");
    CHECK(pieces_of(tokenizer, "<|end|> <|user|>") == "<|end|> <|user|>");
    CHECK(pieces_of(tokenizer, "<|en<|end|>") == "▁ <0x3C> <0x7C> e n <|end|>");
    // Whole words only; letters of any script, marks and digits make words.
    CHECK(pieces_of(tokenizer, "a tin,") == "▁a ▁ tin <0x2C>");
    for (const std::string_view text : {"tint", "atin", "tiné", "étin", "tin1", "tin_", "tin\u0301"})
        CHECK(pieces_of(tokenizer, text).find("tin") == std::string::npos);
    // A normalized token is only looked for where no other was found.
    CHECK(pieces_of(tokenizer, "in a") == "▁ i n a");
    CHECK(pieces_of(tokenizer, "tin a") == "tin ▁a");
}

TEST_CASE("bos and eos are added as the directory says, and not to text that brings its own") {
    const Tokenizer tokenizer = small_tokenizer();
    CHECK(pieces_of(tokenizer, "the", true) == "<s> ▁the");
    CHECK(tokenizer.encode("") == Ids{1});
    CHECK(tokenizer.encode("<s>the", false) == Ids{1, *tokenizer.find("t"), *tokenizer.find("he")});
    const Tokenizer eos = small_tokenizer(R"({"add_bos_token": false, "add_eos_token": true})");
    CHECK(pieces_of(eos, "the", true) == "▁the </s>");
    CHECK(small_tokenizer("{}").encode("the") == Ids{*tokenizer.find("▁the")});
}

TEST_CASE("control pieces are added tokens; user-defined pieces are found whole, also by their spaces") {
    using test::wire_piece;
    const TempDir directory;
    write_bytes(directory / "tokenizer.model",
                wire_piece("<unk>", 0, 2) + wire_piece("<c>", 0, 3) + wire_piece("ab", 0, 4) + wire_piece("▁▁", 0, 4) +
                    wire_piece("▁") + wire_piece("a") + wire_piece("b") + wire_piece("ba") + test::wire_trainer());
    write_bytes(directory / "tokenizer_config.json", R"({"add_prefix_space": false})");
    const Tokenizer tokenizer = Tokenizer::load(directory.path(), 8);
    CHECK(pieces_of(tokenizer, "bab<c>a") == "b ab <c> a");
    CHECK(pieces_of(tokenizer, "a   a") == "a ▁▁ ▁ a");
    CHECK(tokenizer.decode(tokenizer.encode("bab<c>a")) == "baba");
}

TEST_CASE("tokenizer.json, where there is one, decides") {
    const TempDir directory;
    write_bytes(directory / "tokenizer.model", "not read");
    write_bytes(directory / "tokenizer_config.json", R"({"legacy": false})");
    const auto load = [&](std::string_view members) {
        write_bytes(directory / "tokenizer.json",
                    test::small_tokenizer_json(
                        R"("added_tokens": [{"id": 280, "content": "<x>", "special": true},
                                            {"id": 281, "content": "nb", "special": false, "normalized": true}], )" +
                        std::string(members)));
        return Tokenizer::load(directory.path(), test::kSmallVocab);
    };
    const std::string prepend = R"({"type": "Prepend", "prepend": "▁"})";
    const std::string replace = R"({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})";
    const std::string decoder = R"("decoder": {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})";
    const Tokenizer always = load(R"("normalizer": {"type": "Sequence", "normalizers": [)" + prepend + ", " + replace +
                                  "]}, " + decoder + R"(, "post_processor": {"type": "TemplateProcessing", "single": [
                                     {"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
                                     "special_tokens": {"<s>": {"ids": [1]}}})");
    CHECK(pieces_of(always, " a<x>a", true) == "<s> ▁ ▁a <x> ▁a");
    CHECK(pieces_of(always, "a nb") == "▁a nb");  // is looked for with its mark
    CHECK(pieces_of(always, "anb") == "▁a n b");
    CHECK(always.decode(always.encode("the nb nb", false)) == "the nb nb");  // and gives it back
    CHECK(always.decode(always.encode("nb the", false)) == "nb the");
    const Tokenizer never = load(R"("normalizer": )" + replace);
    CHECK(pieces_of(never, "a a") == "a ▁a");
    const Tokenizer first = load(R"("pre_tokenizer": {"type": "Metaspace", "replacement": "▁",
                                    "prepend_scheme": "first", "split": false})");
    CHECK(pieces_of(first, "a<x>a") == "▁a <x> a");
    std::filesystem::remove(directory / "tokenizer_config.json");
    std::filesystem::remove(directory / "tokenizer.model");
    CHECK(pieces_of(Tokenizer::load(directory.path(), test::kSmallVocab), "a<x>a") == "▁a <x> a");
}

TEST_CASE("pieces tell which bytes of the text they stand for") {
    const Tokenizer tokenizer = small_tokenizer();
    const auto places = [&](std::string_view text) {
        std::string out;
        for (const Tokenizer::Piece& piece : tokenizer.encode_pieces(text))
            out += fmt::format("{}[{},{}) ", tokenizer.piece(piece.id), piece.begin, piece.end);
        return out;
    };
    CHECK(places("the  a") == "<s>[0,0) ▁the[0,3) ▁[3,4) ▁a[4,6) ");
    CHECK(places("a<|end|> \nin") == "<s>[0,0) ▁a[0,1) <|end|>[1,10) in[10,12) ");
    CHECK(places("é世") == "<s>[0,0) ▁[0,0) é[0,2) <0xE4>[2,3) <0xB8>[3,4) <0x96>[4,5) ");
    CHECK(places("a\xff"
                 "a") == "<s>[0,0) ▁a[0,1) <0xEF>[1,2) <0xBF>[2,2) <0xBD>[2,2) a[2,3) ");
}

TEST_CASE("broken UTF-8 is replaced as Python replaces it") {
    CHECK(replace_invalid_utf8("a\xff\xfe"
                               "b") == "a\uFFFD\uFFFDb");
    CHECK(replace_invalid_utf8("\xe2\x96") == "\uFFFD");
    CHECK(replace_invalid_utf8("\xf0\x9f\x98"
                               "A") == "\uFFFDA");
    CHECK(replace_invalid_utf8("\xed\xa0\x80") == "\uFFFD\uFFFD\uFFFD");
    CHECK(replace_invalid_utf8("\xc0\x80") == "\uFFFD\uFFFD");
    CHECK(replace_invalid_utf8("\xf4\x90\x80\x80") == "\uFFFD\uFFFD\uFFFD\uFFFD");
    CHECK(replace_invalid_utf8("\xf4\x8f\xbf\xbf") == "\xf4\x8f\xbf\xbf");
    CHECK(replace_invalid_utf8("\xe1\x80\xe2\x82\x41") == "\uFFFD\uFFFDA");
}

TEST_CASE("decoding is the inverse of encoding, without special tokens") {
    const Tokenizer tokenizer = small_tokenizer();
    for (const std::string_view text : {"the  a", "世界 é\n", ""}) {
        CAPTURE(text);
        CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
    }
    // A space that a text starts with stands in for the mark, and goes with it: so do transformers.
    CHECK(tokenizer.decode(tokenizer.encode(" the")) == "the");
    CHECK(tokenizer.decode(tokenizer.encode("the<|user|>in<|end|>")) == "thein");
    CHECK(tokenizer.decode(tokenizer.encode("the<|user|>in<|end|>"), false) == "<s> the<|user|>in<|end|>");
    const std::int32_t byte = test::kSmallBytes;
    CHECK(tokenizer.decode(Ids{byte + 0xe4, byte + 0xb8}) == "\uFFFD\uFFFD");
    CHECK(tokenizer.decode(Ids{byte + 'a', byte + 0xb8, byte + 'b'}) == "a\uFFFDb");  // no more than what is broken
    CHECK(tokenizer.decode(Ids{byte + 0xc3, 1, byte + 0xa9}) == "é");                 // what is left out breaks no run
    CHECK(tokenizer.decode(Ids{289}) == "");                                          // in the vocabulary, but no token
    CHECK(error_of([&] { tokenizer.decode(Ids{1, 290}); }) == "token id 290: expected an id in [0, 290)");
    CHECK(error_of([&] { tokenizer.decode(Ids{-1}); }) == "token id -1: expected an id in [0, 290)");
}

TEST_CASE("a long text takes time in proportion") {
    const Tokenizer tokenizer = small_tokenizer();
    std::string text;
    while (text.size() < 1'000'000) text += "the tin  canabc ";
    CHECK(tokenizer.decode(tokenizer.encode(text)) == text);
    CHECK(tokenizer.encode(std::string(1'000'000, 'a')).size() == 1'000'000 + 1);
}
