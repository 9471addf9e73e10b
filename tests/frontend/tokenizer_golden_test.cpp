// Our ids against those of transformers, made by tests/golden/make_tokenizer.py.
#include "base/error.h"
#include "frontend/tokenizer/tokenizer.h"
#include "tests/frontend/tokenizer_files.h"
#include "tests/paths.h"

#include <doctest/doctest.h>

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include <span>

using namespace vitro;
using nlohmann::json;
using Ids = std::vector<std::int32_t>;

namespace {

std::uint32_t fnv(std::string_view text) {
    std::uint32_t hash = 0x811c9dc5;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x01000193;
    return hash;
}

std::string text_of(const json& value) {
    if (value.is_string()) return value.get<std::string>();
    const std::string hex = value.at("hex").get<std::string>();
    std::string text;
    for (std::size_t i = 0; i < hex.size(); i += 2) text += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    return text;
}

/// A copy of the tokenizer's files in which tokenizer_config.json has other values.
Tokenizer load_changed(const std::filesystem::path& directory, const json& changes, std::int64_t vocab_size) {
    const test::TempDir copy;
    for (const std::string_view name : {"tokenizer.model", "added_tokens.json"})
        if (std::filesystem::exists(directory / name))
            test::write_bytes(copy / name, test::read_bytes(directory / name));
    json config = json::parse(test::read_bytes(directory / "tokenizer_config.json"));
    config.update(changes);
    test::write_bytes(copy / "tokenizer_config.json", config.dump());
    return Tokenizer::load(copy.path(), vocab_size);
}

void compare(const std::filesystem::path& directory, std::string_view golden_file) {
    const json golden = json::parse(test::read_bytes(test::source_path("tests/golden") / golden_file));
    const auto vocab_size =
        json::parse(test::read_bytes(directory / "config.json")).at("vocab_size").get<std::int64_t>();
    const Tokenizer tokenizer = Tokenizer::load(directory, vocab_size);

    const json& cases = golden.at("cases");
    CHECK(cases.size() >= 2000);
    for (std::size_t i = 0; i < cases.size(); ++i) {
        const std::string text = text_of(cases[i][0]);
        CAPTURE(text);
        const Ids ids = tokenizer.encode(text);
        CHECK(ids == cases[i][1].get<Ids>());
        CHECK(fnv(tokenizer.decode(ids)) == golden.at("decoded")[i].get<std::uint32_t>());
        std::size_t end = 0;  // pieces cover the text in order, without gap
        for (const Tokenizer::Piece& piece : tokenizer.encode_pieces(text)) {
            CHECK(piece.begin == end);
            end = piece.end;
        }
        CHECK(end == text.size());
    }
    for (const json& variant : golden.at("variants")) {
        CAPTURE(variant.at("changes").dump());
        const Tokenizer changed = load_changed(directory, variant.at("changes"), vocab_size);
        for (std::size_t i = 0; i < cases.size(); ++i) {
            const std::string text = text_of(cases[i][0]);
            CAPTURE(text);
            CHECK(fnv(fmt::format("{}", fmt::join(changed.encode(text), ","))) ==
                  variant.at("hash_of_all_ids")[i].get<std::uint32_t>());
        }
    }
    CHECK(golden.at("decodes").size() >= 100);
    for (const json& row : golden.at("decodes")) {
        const Ids ids = row[0].get<Ids>();
        CAPTURE(row.dump());
        CHECK(tokenizer.decode(ids) == row[1].get<std::string>());
        CHECK(tokenizer.decode(ids, false) == row[2].get<std::string>());
    }
}

}  // namespace

TEST_CASE("Phi-3's tokenizer gives transformers' ids and texts") {
    if (const auto directory = test::test_data("phi-3-mini-4k-instruct"))
        compare(*directory, "tokenizer_phi3.json");
    else
        MESSAGE("skipped: VITRO_TEST_DATA is unset");
}

TEST_CASE("the bundled tokenizer gives transformers' ids and texts") {
    const std::filesystem::path root = test::source_path();
    if (std::filesystem::exists(root / "tests/golden/tokenizer_tiny.json"))
        compare(root / "models/bundled/tiny-phi3", "tokenizer_tiny.json");
    else
        MESSAGE("skipped: tests/golden/tokenizer_tiny.json is not there; make_tokenizer.py makes it");
}
