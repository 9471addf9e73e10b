// vitro embed and vitro classify, against what transformers made of the same tokens (tests/golden).
#include "frontend/safetensors.h"
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/runtime/golden_file.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <cmath>

namespace vitro::test {
namespace {

using Json = nlohmann::json;

struct Golden {
    std::string model, tokens;  // as --tokens takes them
    std::vector<float> result;
};

Golden golden(const std::string& name) {
    const auto file = SafetensorsFile::open(source_path("tests/golden/" + name + "/golden.safetensors"));
    return {source_path("tests/golden/" + name).string(),
            fmt::format("{}", fmt::join(values<std::int32_t>(file, "tokens"), ",")), values<float>(file, "result_f32")};
}

Json classified(const Golden& golden) {
    return Json::parse(out_of({"classify", "-m", golden.model, "--tokens", golden.tokens, "--json"})).at(0);
}

TEST_CASE("a reward model scores a text by one number, which is no probability") {
    const Golden reward = golden("qwen3_reward");
    CHECK(classified(reward).at("scores").at("LABEL_0").get<float>() ==
          doctest::Approx(reward.result.at(0)).epsilon(1e-4));
}

TEST_CASE("the labels of a text have probabilities, the most probable first") {
    const Golden sequence = golden("bert_sequence");
    const auto scores =
        nlohmann::ordered_json::parse(out_of({"classify", "-m", sequence.model, "--tokens", sequence.tokens}))
            .at(0)
            .at("scores");
    double sum = 0, before = 1;
    for (const float score : sequence.result) sum += std::exp(score);
    REQUIRE(scores.size() == sequence.result.size());
    for (const auto& [label, probability] : scores.items()) {
        CHECK(probability.get<double>() <= before);
        before = probability;
    }
    constexpr const char* kLabels[] = {"no", "maybe", "yes"};
    for (std::size_t i = 0; i < std::size(kLabels); ++i)
        CHECK(scores.at(kLabels[i]).get<double>() == doctest::Approx(std::exp(sequence.result[i]) / sum).epsilon(1e-4));
}

TEST_CASE("the labels of tokens stand beside each token's id") {
    const Golden tokens = golden("roberta_tokens");
    const Json list = classified(tokens).at("tokens");
    REQUIRE(list.size() * 2 == tokens.result.size());
    std::string ids;
    for (std::size_t i = 0; i < list.size(); ++i) {
        ids += fmt::format("{}{}", i == 0 ? "" : ",", list[i].at("id").get<int>());
        const double difference = tokens.result[2 * i + 1] - tokens.result[2 * i];
        CHECK(list[i].at("scores").at("LABEL_1").get<double>() ==
              doctest::Approx(1 / (1 + std::exp(-difference))).epsilon(1e-3));
    }
    CHECK(ids == tokens.tokens);
}

TEST_CASE("an encoder's vector of a text is the mean of its tokens', of length 1 unless it is to keep its own") {
    const Golden bert = golden("bert");
    const auto embedded = [&](const std::string& flag) {
        return Json::parse(out_of({"embed", "-m", bert.model, "--tokens", bert.tokens, "--pooling", "mean", flag}))
            .at(0)
            .at("embedding")
            .get<std::vector<double>>();
    };
    const auto kept = embedded("--no-normalize"), normalized = embedded("--json");
    const std::size_t width = kept.size(), rows = bert.result.size() / width;
    double length = 0;
    for (const double value : kept) length += value * value;
    for (std::size_t i = 0; i < width; ++i) {
        double sum = 0;
        for (std::size_t row = 0; row < rows; ++row) sum += bert.result[row * width + i];
        CHECK(kept[i] == doctest::Approx(sum / static_cast<double>(rows)).epsilon(1e-4));
        CHECK(normalized[i] == doctest::Approx(kept[i] / std::sqrt(length)).epsilon(1e-4));
    }
}

TEST_CASE("cosines of pairs are symmetric, 1 of a text with itself, in rows, as JSON and in a file alike") {
    const TempDir directory;
    const std::string out = (directory / "cosines.safetensors").string();
    std::vector<std::string> words{"embed", "--similarity", "-p", "A cat.", "-p", "A dog.", "-p", "A cat."};
    const std::string rows = out_of(words);
    words.push_back("--json");
    const auto cosines = Json::parse(out_of(words)).get<std::vector<std::vector<float>>>();
    REQUIRE(cosines.size() == 3);
    CHECK(cosines[0][2] == doctest::Approx(1));
    CHECK(cosines[0][1] == cosines[1][0]);
    CHECK(cosines[0][1] < 0.9999f);
    CHECK(rows.starts_with(fmt::format("1.0000 {:.4f} 1.0000\n", cosines[0][1])));
    words.back() = "-o";
    words.push_back(out);
    check_success(run_vitro(words));
    const auto file = SafetensorsFile::open(out);
    CHECK(values<float>(file, "similarity").at(1) == cosines[0][1]);
}

TEST_CASE("texts that are no UTF-8 have vectors too, and stand in JSON with U+FFFD in the place of what is none") {
    const auto texts = Json::parse(out_of({"embed", "-p", "a \xff cat", "-p", "a \xef\xbf\xbd cat"}));
    CHECK(texts.at(0).at("text") == texts.at(1).at("text"));
    CHECK(texts.at(0).at("embedding") == texts.at(1).at("embedding"));
}

TEST_CASE("embed says when a text is longer than the model takes, and refuses what is no text") {
    std::string text;
    for (int i = 0; i < 400; ++i) text += " cat";
    const ProcessResult cut = run_vitro({"embed", "-p", text, "-c", "64"});
    check_success(cut);
    CHECK(contains(cut.err, "warning: text 1 has "));
    CHECK(contains(cut.err, " tokens; the 64 that the model takes are read\n"));
    CHECK(run_vitro({"embed"}).exit_code == 2);
    check_error(run_vitro({"classify", "-p", "A cat."}), {"expected a model with labels"});
}

}  // namespace
}  // namespace vitro::test
