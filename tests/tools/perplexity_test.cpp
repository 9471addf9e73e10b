#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>

using namespace vitro::test;
using Json = nlohmann::json;

namespace {

const std::string kText =
    "The capital of France is Paris. The capital of Japan is Tokyo. The capital of Italy is Rome. The capital of Spain "
    "is Madrid.";

Json scored(std::vector<std::string> more) {
    std::vector<std::string> arguments{"perplexity", "-p", kText, "--window", "16", "-t", "1", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProcessResult result = run_vitro(arguments);
    check_success(result);
    return Json::parse(result.out);
}

}  // namespace

TEST_CASE("vitro perplexity predicts a text, and compares a model with itself in other types") {
    const Json own = scored({});
    CHECK(own.at("windows") == own.at("tokens").get<int>() / 16);
    CHECK(own.at("scored") == 8 * own.at("windows").get<int>());
    const double loss = own.at("loss").at("value");
    CHECK(own.at("perplexity").at("value").get<double>() == doctest::Approx(std::exp(loss)));
    CHECK_FALSE(own.contains("against"));

    const Json same = scored({"--against", "stored"}).at("against");
    CHECK(same.at("kl_divergence").at("value") == 0);
    CHECK(same.at("same_best_token") == 1);
    CHECK(same.at("perplexity") == own.at("perplexity"));

    double before = 0;
    for (const char* type : {"q8_0", "q4_k", "q4_0"}) {  // the fewer bits, the further away
        CAPTURE(type);
        const Json smaller = scored({"--weights", type, "--against", "stored"});
        CHECK(smaller.at("against").at("perplexity") == own.at("perplexity"));
        const double divergence = smaller.at("against").at("kl_divergence").at("value");
        CHECK(divergence > before);
        before = divergence;
    }
    CHECK(before < 0.5);
    const Json exact = scored({"--weights", "q8_0", "--against", "exact"}).at("against");
    CHECK(exact.at("kl_divergence").at("value") > 0);
    CHECK(exact.at("kl_divergence").at("value") < 1e-3);
}

TEST_CASE("vitro perplexity prints lines for people, and says what it cannot compare") {
    const ProcessResult text = run_vitro({"perplexity", "-p", kText, "--against", "q8_0", "-t", "1"});
    check_success(text);
    for (const char* what : {"tokens predicted", "perplexity of q8_0", "KL divergence", "same most probable token"})
        CHECK_MESSAGE(text.out.find(what) != std::string::npos, text.out);
    const ProcessResult other = run_vitro({"perplexity", "-p", kText, "--against", "no/such/model"});
    CHECK(other.exit_code == 1);
    CHECK(other.err.find("no/such/model") != std::string::npos);
}

TEST_CASE("windows that the context has no room for are refused") {
    CHECK(scored({"-c", "64"}).at("windows") == scored({}).at("windows"));
    const auto with = [](const char* window) {
        return run_vitro({"perplexity", "-p", kText, "-c", "64", "--window", window});
    };
    check_success(with("64"));
    check_error(with("65"), {"--window: expected at most 64 tokens, which the context has room for, found 65"});
}
