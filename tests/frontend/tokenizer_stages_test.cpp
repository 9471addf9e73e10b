// Every stage of a tokenizer.json against the same stage of Hugging Face's tokenizers (make_tokenizer_stages.py).
#include "frontend/tokenizer/decoder.h"
#include "frontend/tokenizer/normalizer.h"
#include "frontend/tokenizer/pre_tokenizer.h"
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace vitro;
using nlohmann::json;

namespace {

json golden() { return json::parse(test::read_bytes(test::source_path("tests/golden/tokenizer_stages.json"))); }

JsonValue stage(const json& config) { return JsonValue::parse(config.dump(), "tokenizer.json"); }

/// Places lie in the text and never go back.
void check_places(const AlignedText& text, std::size_t size) {
    REQUIRE(text.origins.size() == text.text.size());
    CHECK(std::is_sorted(text.origins.begin(), text.origins.end()));
    CHECK((text.origins.empty() || text.origins.back() <= text.end));
    CHECK(text.end <= size);
}

}  // namespace

TEST_CASE("normalizers give what tokenizers gives") {
    const json all = golden();
    CHECK(all.at("normalizers").size() >= 20);
    for (const json& row : all.at("normalizers")) {
        CAPTURE(row.at("config").dump());
        const Normalizer normalizer = read_normalizer(stage(row.at("config")));
        for (std::size_t i = 0; i < all.at("texts").size(); ++i) {
            const std::string text = all.at("texts")[i];
            CAPTURE(all.at("texts")[i].dump());
            const AlignedText out = normalizer(AlignedText(text, 0));
            CHECK(out.text == row.at("out")[i].get<std::string>());
            check_places(out, text.size());
        }
    }
}

TEST_CASE("pre-tokenizers cut words where tokenizers cuts them") {
    const json all = golden();
    CHECK(all.at("pre_tokenizers").size() >= 60);
    for (const json& row : all.at("pre_tokenizers")) {
        CAPTURE(row.at("config").dump());
        const PreTokenizer pre_tokenizer = read_pre_tokenizer(stage(row.at("config")));
        for (std::size_t i = 0; i < all.at("texts").size(); ++i) {
            const std::string text = all.at("texts")[i];
            CAPTURE(all.at("texts")[i].dump());
            PreTokenized cut{AlignedText(text, 0), {}};
            if (!text.empty()) cut.words.push_back({0, text.size()});
            pre_tokenizer(cut);
            std::vector<std::string> words;
            for (const TextRange& word : cut.words)
                words.push_back(cut.text.text.substr(word.begin, word.end - word.begin));
            CHECK(words == row.at("out")[i].get<std::vector<std::string>>());
            check_places(cut.text, text.size());
        }
    }
}

TEST_CASE("decoders give the text that tokenizers gives") {
    const json all = golden();
    CHECK(all.at("decoders").size() >= 15);
    for (const json& row : all.at("decoders")) {
        CAPTURE(row.at("config").dump());
        const TokenDecoder decoder =
            row.at("config").is_null() ? TokenDecoder() : read_decoder(stage(row.at("config")));
        for (const json& example : row.at("rows")) {
            CAPTURE(example.dump());
            DecodeStream stream = decoder.stream();
            std::string text;
            for (const json& token : example[0]) text += stream.push(token.get<std::string>());
            text += stream.finish();
            CHECK(text == example[1].get<std::string>());
        }
    }
}
