// What the KV cache does, told: vitro run --explain-cache, vitro bench --kv-cache --plot; vitro next's sampling and
// trace.
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/tools/json_of.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

namespace vitro::test {
namespace {

using Json = nlohmann::json;

constexpr const char* kText = "The capital of France is";  // six tokens

}  // namespace

TEST_CASE("run --explain-cache: tokens computed and reused, with the cache and without, bytes by formula and in fact") {
    const Json with = json_of({"run", kText, "-n", "4", "--explain-cache", "-c", "64"}).at("cache");
    CHECK(with.at("computed_tokens") == 6 + 3);
    CHECK(with.at("reused_tokens") == 6 + 7 + 8);
    CHECK(with.at("computed_tokens_with_cache") == 9);
    CHECK(with.at("computed_tokens_without_cache") == 6 + 7 + 8 + 9);
    CHECK(with.at("tokens") == 9);
    // Keys and values of 4 layers, 2 heads of 64 each, in f16.
    CHECK(with.at("formula_bytes_per_token") == 2 * 4 * 2 * 64 * 2);
    CHECK(with.at("bytes_per_token") == with.at("formula_bytes_per_token"));
    CHECK(with.at("pages") == 1);
    CHECK(with.at("all_pages") == 4);
    CHECK(with.at("allocated_bytes") == 64 * 2048);
    CHECK(with.at("behind_window") == 0);

    const Json without = json_of({"run", kText, "-n", "4", "--explain-cache", "--no-kv-cache"}).at("cache");
    CHECK(without.at("computed_tokens") == 30);
    CHECK(without.at("reused_tokens") == 0);

    const Json fp8 = json_of({"run", kText, "-n", "4", "--explain-cache", "--kv-type", "fp8"}).at("cache");
    CHECK(fp8.at("bytes_per_token") == 2 * 4 * 2 * 64);
    const Json q8 = json_of({"run", kText, "-n", "4", "--explain-cache", "--kv-type", "q8_0"}).at("cache");
    CHECK(q8.at("bytes_per_token") == 2 * 4 * 2 * (64 / 32 * 34));

    const ProcessResult text = run_vitro({"run", kText, "-n", "4", "--explain-cache"});
    CHECK(text.exit_code == 0);
    CHECK(contains(text.err, "  computed   9 tokens; 21 were read from the cache in place of computing them again\n"));
    CHECK(contains(text.err, "  without    30 tokens would have been computed\n"));
}

TEST_CASE("run --explain-cache counts what lies behind the window") {
    const std::string model = source_path("tests/golden/phi3_window").string();  // a window of 7
    const Json cache =
        json_of({"run", "-m", model, "--tokens", "1,2,3,4,5,6,7,8,9,10", "-n", "3", "--explain-cache"}).at("cache");
    CHECK(cache.at("smallest_window") == 7);
    CHECK(cache.at("tokens") == 12);
    CHECK(cache.at("behind_window") == 6);  // the next token sees itself and six before it
}

TEST_CASE("bench --kv-cache --plot measures what it is asked to, token by token, and draws it") {
    const TempDir directory;
    const std::string plot = (directory / "plot.svg").string();
    const Json json = json_of({"bench", "--generate", "6", "--kv-cache", "on,off", "--plot", plot}).at("generate");
    CHECK(json.at("token_seconds").size() == 6);
    CHECK(json.at("token_seconds_without_cache").size() == 6);
    double sum = 0;
    for (const Json& seconds : json.at("token_seconds")) sum += seconds.get<double>();
    CHECK(std::abs(sum - json.at("seconds").get<double>()) < 1e-9);
    const std::string svg = read_bytes(plot);
    CHECK(svg.starts_with("<svg "));
    CHECK(contains(svg, "with the KV cache: "));
    CHECK(contains(svg, "without the KV cache: "));
    const Json one = json_of({"bench", "--generate", "2", "--kv-cache", "off"}).at("generate");
    CHECK(!one.contains("seconds"));
    CHECK(one.contains("seconds_without_cache"));
    CHECK(run_vitro({"bench", "--generate", "2", "--kv-cache", "half"}).exit_code == 2);
    CHECK(run_vitro({"bench", "--kv-cache", "on"}).exit_code == 2);
}

TEST_CASE("next: each filter of sampling leaves fewer tokens, and the token is the one that run takes") {
    const std::vector<std::string> sampling{"--temp", "0.9",     "--top-k", "5",      "--top-p",
                                            "0.95",   "--min-p", "0.01",    "--seed", "3"};
    std::vector<std::string> words{"next", kText};
    words.insert(words.end(), sampling.begin(), sampling.end());
    const std::string text = out_of(words);
    CHECK(contains(text, "how the token is chosen\n"));
    CHECK(contains(text, "  top-k 5 "));
    const Json chosen = json_of(words).at("sampling");
    std::vector<std::int64_t> left;
    for (const Json& step : chosen.at("steps")) left.push_back(step.at("left"));
    CHECK(left.size() == 5);
    CHECK(left[2] == 5);
    CHECK(std::is_sorted(left.rbegin(), left.rend()));
    std::vector<std::string> run{"run", kText, "-n", "1"};
    run.insert(run.end(), sampling.begin(), sampling.end());
    CHECK(json_of(run).at("tokens")[0] == chosen.at("token"));
}

TEST_CASE("next --trace: the tokens of run, each with its runners-up and the norms before it") {
    const Json traced = json_of({"next", kText, "--trace", "4", "--top", "3"}).at("trace");
    const Json tokens = json_of({"run", kText, "-n", "4"}).at("tokens");
    REQUIRE(traced.size() == tokens.size());
    for (std::size_t i = 0; i < traced.size(); ++i) {
        CHECK(traced[i].at("token") == tokens[i]);
        CHECK(traced[i].at("position") == 6 + i);
        CHECK(traced[i].at("residual_rms").size() == 5);  // in front of four layers, and after each
        CHECK(traced[i].at("steps")[0].at("candidates").size() == 3);
        CHECK(traced[i].at("steps")[0].at("candidates")[0].at("id") == tokens[i]);
    }
    // The first is what --lens shows.
    const Json lens = json_of({"next", kText, "--lens"}).at("lens");
    for (std::size_t i = 0; i < lens.size(); ++i) CHECK(lens[i].at("rms") == traced[0].at("residual_rms")[i]);
    CHECK(contains(out_of({"next", kText, "--trace", "2"}), "token by token\n"));
}

TEST_CASE("attend tells which heads share keys, the window, and what goes to the first token") {
    const std::string model = source_path("tests/golden/phi3_window").string();
    const Json heads =
        json_of({"attend", "-m", model, "--tokens", "5,6,7,8,9,10,11,12,13,14", "--layer", "0"}).at("heads");
    for (const Json& head : heads) {
        CHECK(head.at("window") == 7);
        const double share = head.at("to_first_token");
        CHECK((share >= 0 && share < 1));
    }
    const std::string text =
        out_of({"attend", "-m", model, "--tokens", "5,6,7,8,9,10,11,12,13,14", "--layer", "0", "--head", "1"});
    CHECK(contains(text, ", window 7; "));
    // The last token sees itself and six before it: three cells of two columns are blank in front.
    CHECK(contains(text, "     9       "));
    const Json shared = json_of({"attend", "-p", kText, "--layer", "0"}).at("heads");
    REQUIRE(shared.size() == 4);
    CHECK(shared[1].at("key_head") == 0);
    CHECK(shared[2].at("key_head") == 1);
}

}  // namespace vitro::test
