// What is wrong with a tokenizer's files is said, whatever it is.
#include "tests/frontend/tokenizer_files.h"
#include "base/error.h"
#include "base/random.h"
#include "frontend/tokenizer/charsmap.h"
#include "frontend/tokenizer/sentencepiece_model.h"
#include "frontend/tokenizer/tokenizer.h"

#include <doctest/doctest.h>

#include <limits>

using namespace vitro;
using test::TempDir;
using test::wire_bytes;
using test::wire_float;
using test::wire_number;
using test::wire_piece;
using test::wire_trainer;
using test::write_bytes;

namespace {

std::string error_of_load(const std::filesystem::path& directory, std::int64_t vocab_size = test::kSmallVocab) {
    try {
        Tokenizer::load(directory, vocab_size);
    } catch (const Error& error) {
        return error.what();
    }
    return "(no error)";
}

void check_says(std::string_view error, std::string_view part) {
    CAPTURE(part);
    CAPTURE(error);
    CHECK(error.find(part) != std::string_view::npos);
    CHECK(error.find('\n') == std::string_view::npos);
}

}  // namespace

/// A charsmap of 256 units: unit 0 leads to those from `base` on, and `unit` stands at `at`.
std::string charsmap_with(std::uint32_t base, std::size_t at, std::uint32_t unit) {
    std::vector<std::uint32_t> units(256, 0x80ffffffu);
    units[0] = base << 10;
    units[at] = unit;
    std::string blob("\0\4\0\0", 4);
    for (const std::uint32_t value : units)
        for (int shift = 0; shift < 32; shift += 8) blob += static_cast<char>(value >> shift & 0xff);
    return blob + std::string("x\0", 2);
}

TEST_CASE("a table of replacements that leads out of itself is refused, whatever byte of a text would follow it") {
    CHECK_NOTHROW(Charsmap(charsmap_with(2, 'a' ^ 2, 'a' | 2u << 10), "x"));
    for (const unsigned byte : {0u, 1u, unsigned{'a'}, 255u})
        CHECK_THROWS_AS(Charsmap(charsmap_with(2, byte ^ 2, byte | 0x1fffffu << 10), "x"), Error);
    // A replacement past the end of the replacements.
    CHECK_THROWS_AS(Charsmap(charsmap_with(2, 'a' ^ 2, 'a' | 0x100u | ('a' ^ 2u ^ 2u) << 10), "x"), Error);
}

TEST_CASE("a malformed tokenizer.model is refused with the place") {
    const std::string unknown = wire_piece("<unk>", 0, 2);
    const float infinity = std::numeric_limits<float>::infinity();
    struct Case {
        std::string model;
        std::string_view said;
    };
    const std::vector<Case> cases{
        {"", "expected a sentencepiece model with pieces, found none"},
        {wire_trainer(), "expected a sentencepiece model with pieces, found none"},
        {unknown, "expected a sentencepiece model with a trainer_spec, found none"},
        {unknown + wire_trainer(3), "trainer_spec.model_type: expected 1 (unigram) or 2 (byte-pair encoding), found 3"},
        {unknown + wire_bytes(2, ""), "expected a piece of type normal among its 1, found none"},
        {unknown + wire_piece("a") + wire_bytes(2, std::string("\xc0\x01\x01", 3)), "treat_whitespace_as_suffix"},
        {unknown + wire_piece("a") + wire_trainer() + wire_bytes(3, wire_number(5, 0)), "escape_whitespaces"},
        {unknown + wire_piece("a") + wire_trainer() + wire_bytes(3, wire_bytes(2, "abc")), "precompiled_charsmap"},
        {unknown + wire_piece("a") + wire_trainer() + wire_bytes(3, wire_bytes(2, std::string("\4\0\0\0abcd\0", 9))),
         "expected units below 1"},
        {unknown + wire_piece("a") + wire_piece(std::string("b\0", 2)) + wire_trainer(), "without U+0000"},
        {unknown + wire_piece("a") + wire_piece("<0x4>", 0, 6) + wire_trainer(), "expected a byte such as <0x0A>"},
        {unknown + wire_piece("a") + wire_piece("<0x41>", 0, 6) + wire_trainer(), "no pieces of type byte"},
        {unknown + wire_piece("a") + wire_trainer(2, true), "expected 256 pieces of type byte"},
        {wire_piece("a") + wire_trainer(), "expected one piece of type unknown among its 1, found none"},
        {unknown + wire_piece("b", 0, 2) + wire_trainer(), "piece 1: expected one unknown piece, found it and piece 0"},
        {unknown + wire_piece("a") + wire_piece("a") + wire_trainer(), "piece 2: \"a\" is already piece 1"},
        {unknown + wire_piece("") + wire_trainer(), "piece 1: expected a text, found none"},
        {unknown + wire_piece("\xff") + wire_trainer(), "piece 1: expected UTF-8, found"},
        {unknown + wire_piece("a", infinity) + wire_trainer(), "piece 1: expected a finite score, found inf"},
        {unknown + wire_piece("a", std::nanf("")) + wire_trainer(), "piece 1: expected a finite score, found nan"},
        {unknown + wire_piece("a", 0, 7) + wire_trainer(), "piece 1: expected a type from 1 to 6, found 7"},
        {unknown + wire_piece("a", 0, 0) + wire_trainer(), "piece 1: expected a type from 1 to 6, found 0"},
        {wire_number(1, 3), "expected wire type 2 for pieces before byte 2, found 0"},
        {wire_bytes(1, wire_number(1, 3)), "expected wire type 2 for a piece's text before byte 4, found 0"},
        {wire_bytes(1, wire_number(2, 3)), "expected wire type 5 for a piece's score before byte 4, found 0"},
        {wire_bytes(1, wire_float(3, 3)), "expected wire type 0 for a piece's type before byte 7, found 5"},
        {wire_number(2, 3), "expected wire type 2 for trainer_spec before byte 2, found 0"},
        {unknown.substr(0, 5), "more bytes before byte 2, found 3"},
        {std::string("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11), "more bytes before byte 11, found 0"},
        {std::string("\x0a") + std::string(11, '\xff'), "expected a number of at most 10 bytes"},
        {std::string("\x00\x00", 2), "expected a field number above 0"},
        {"\x0b", "expected wire type 0, 1, 2 or 5 before byte 1, found 3"},
        {"{\"model\": 1}", "not a sentencepiece model"},
    };
    const TempDir directory;
    write_bytes(directory / "tokenizer_config.json", "{}");
    for (const Case& c : cases) {
        write_bytes(directory / "tokenizer.model", c.model);
        const std::string error = error_of_load(directory.path());
        check_says(error, c.said);
        CHECK(error.starts_with("tokenizer.model: "));
    }
    write_bytes(directory / "tokenizer.model", test::small_model());
    check_says(error_of_load(directory.path(), 279), "tokenizer.model: expected at most 279 pieces");
    CHECK(error_of_load(directory.path(), 280) == "(no error)");
    check_says(error_of_load(directory.path(), 0),
               "config.json: \"vocab_size\": expected a number in [1, 4194304], found 0");
    check_says(error_of_load(directory.path(), std::int64_t{1} << 40),
               "\"vocab_size\": expected a number in [1, 4194304]");
}

TEST_CASE("malformed JSON files are refused with file and field") {
    struct Case {
        std::string_view file;
        std::string_view text;
        std::string_view said;
    };
    const std::vector<Case> cases{
        {"tokenizer_config.json", "{", "tokenizer_config.json: "},
        {"tokenizer_config.json", "[]", "expected an object"},
        {"tokenizer_config.json", R"({"add_bos_token": 1})", "\"add_bos_token\": expected "},
        {"tokenizer_config.json", R"({"legacy": "no"})", "\"legacy\": expected "},
        {"tokenizer_config.json", R"({"bos_token": 1})", "\"bos_token\": expected "},
        {"tokenizer_config.json", R"({"bos_token": {}})", "\"bos_token\": "},
        {"tokenizer_config.json", R"({"bos_token": "<bos>", "add_bos_token": true})",
         "\"bos_token\": expected a token of the vocabulary, found \"<bos>\""},
        {"tokenizer_config.json", R"({"added_tokens_decoder": []})", "\"added_tokens_decoder\": expected "},
        {"tokenizer_config.json", R"({"added_tokens_decoder": {"280": {"content": ""}}})", "a token that is not empty"},
        {"tokenizer_config.json", R"({"added_tokens_decoder": {"280": {}}})", "content"},
        {"tokenizer_config.json", R"({"added_tokens_decoder": {"280": "x"}})", "expected an object"},
        {"tokenizer_config.json", R"({"added_tokens_decoder": {"-1": {"content": "x"}}})", "a token id as the key"},
        {"tokenizer_config.json", R"({"added_tokens_decoder": {"1e2": {"content": "x"}}})", "a token id as the key"},
        {"tokenizer_config.json", R"({"added_tokens_decoder": {"": {"content": "x"}}})", "a token id as the key"},
        {"tokenizer_config.json", R"({"added_tokens_decoder": {"99999999999": {"content": "x"}}})",
         "a token id as the key"},
        {"tokenizer_config.json", R"({"added_tokens_decoder": {"280": {"content": "<s>"}}})",
         "expected id 1 for \"<s>\""},
        {"tokenizer_config.json", R"({"added_tokens_decoder": {"280": {"content": "x"}, "281": {"content": "x"}}})",
         "expected id 280 for \"x\""},
        {"tokenizer_config.json", R"({"added_tokens_decoder": {"280": {"content": "x"}, "0280": {"content": "y"}}})",
         "to be unused by other tokens than \"x\""},
        {"tokenizer_config.json", R"({"added_tokens_decoder": {"280": {"content": "x"}, "280": {"content": "y"}}})",
         "tokenizer_config.json: "},
        {"tokenizer_config.json", R"({"added_tokens_decoder": {"280": {"content": "x", "lstrip": 0}}})", "lstrip"},
        {"tokenizer_config.json", "{\"bos_token\": \"\xff\"}", "tokenizer_config.json: "},
        {"added_tokens.json", R"({"x": -1})", "added_tokens.json: \"x\": "},
        {"added_tokens.json", R"({"x": 1.5})", "added_tokens.json: \"x\": "},
        {"added_tokens.json", R"({"x": "1"})", "added_tokens.json: \"x\": "},
        {"added_tokens.json", R"({"": 280})", "a token that is not empty"},
        {"added_tokens.json", R"({"x": 280, "y": 280})", "to be unused by other tokens than \"x\""},
        {"added_tokens.json", "7", "added_tokens.json: "},
    };
    for (const Case& c : cases) {
        const TempDir directory;
        write_bytes(directory / "tokenizer.model", test::small_model());
        write_bytes(directory / "tokenizer_config.json", "{}");
        write_bytes(directory / c.file, c.text);
        CAPTURE(c.text);
        const std::string error = error_of_load(directory.path());
        check_says(error, c.said);
        CHECK(error.find(c.file) != std::string::npos);
    }
}

TEST_CASE("a missing file and a directory in its place are told") {
    const TempDir directory;
    write_bytes(directory / "tokenizer_config.json", "{}");
    check_says(error_of_load(directory.path()), "tokenizer.model");
    std::filesystem::create_directory(directory / "tokenizer.model");
    check_says(error_of_load(directory.path()), "tokenizer.model");
    std::filesystem::remove(directory / "tokenizer.model");
    check_says(error_of_load(directory.path()), "expected tokenizer.json or tokenizer.model, found neither");
    write_bytes(directory / "tokenizer.model", test::small_model());
    std::filesystem::remove(directory / "tokenizer_config.json");
    check_says(error_of_load(directory.path()), "tokenizer_config.json");
    std::filesystem::create_directory(directory / "tokenizer_config.json");
    check_says(error_of_load(directory.path()), "tokenizer_config.json");
}

TEST_CASE("added tokens that the model has no row for are left out") {
    const TempDir directory;
    write_bytes(directory / "tokenizer.model", test::small_model());
    write_bytes(directory / "tokenizer_config.json",
                R"({"added_tokens_decoder": {"289": {"content": "<in>"}, "290": {"content": "<out>"}}})");
    write_bytes(directory / "added_tokens.json", R"({"<far>": 5000})");
    const Tokenizer tokenizer = Tokenizer::load(directory.path(), test::kSmallVocab);
    CHECK(tokenizer.encode("<in>", false) == std::vector<std::int32_t>{289});
    for (const std::int32_t id : tokenizer.encode("<out><far>")) CHECK(id < 289);
}

TEST_CASE("added_tokens.json that disagrees with tokenizer_config.json is refused") {
    const TempDir directory;
    write_bytes(directory / "tokenizer.model", test::small_model());
    write_bytes(directory / "tokenizer_config.json", R"({"added_tokens_decoder": {"280": {"content": "x"}}})");
    write_bytes(directory / "added_tokens.json", R"({"x": 281})");
    check_says(error_of_load(directory.path()), "added_tokens.json: \"x\": expected 280 as in the other files");
}

TEST_CASE("no damage to tokenizer.model gets past the reader but as a model or an Error") {
    const std::string whole = test::small_model();
    std::size_t refused = 0;
    const auto try_model = [&](const std::string& bytes) {
        try {
            const SentencePieceData data = parse_sentencepiece_file(bytes, "tokenizer.model", 1000);
            const auto model = make_sentencepiece(data, false, "tokenizer.model");
            std::vector<Symbol> symbols;
            model->encode("the  tin ▁abc\n世", symbols);
            CHECK(!symbols.empty());
        } catch (const Error&) {
            ++refused;
        }
    };
    for (std::size_t size = 0; size < whole.size(); ++size) try_model(whole.substr(0, size));
    CHECK(refused == whole.size() - 1);  // without its last part, the normalizer, it is one still
    Random random(11);
    for (int i = 0; i < 3000; ++i) {
        std::string bytes = whole;
        for (std::int64_t flips = random.integer(1, 4); flips > 0; --flips) {
            const auto bit =
                static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(bytes.size()) * 8 - 1));
            bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
        }
        try_model(bytes);
    }
    CHECK(refused > whole.size() + 500);
}
