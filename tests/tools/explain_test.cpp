// vitro graph --explain, folded; and receipts of what fired.
#include "passes/passes.h"
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>

namespace vitro::test {
namespace {

using Json = nlohmann::json;

}  // namespace

TEST_CASE("--explain begins with a summary and tells what is the same in every layer once; --unfold tells all") {
    const std::string folded = out_of({"graph", "--explain"}), all = out_of({"graph", "--explain", "--unfold"});
    const auto lines = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
    CHECK(folded.starts_with("pass "));
    CHECK(folded.find("fuse_qkv_projection               0        4  cpu has no kernel for qkv_projection (4 times)") !=
          std::string::npos);
    CHECK(folded.find(
              "fuse_gated_ffn               fired    model.layers.0-3.mlp.gated: gated by silu in the matmul\n") !=
          std::string::npos);
    CHECK(folded.find("model.layers.1-3.attention_residual: model.layers.N-1.mlp_residual added in the matmul\n") !=
          std::string::npos);
    CHECK(all.find("model.layers.2.attention_residual: model.layers.1.mlp_residual added in the matmul\n") !=
          std::string::npos);
    CHECK(lines(folded) < lines(all) / 2);

    const Json json = Json::parse(out_of({"graph", "--explain", "--json"}));
    const Json timings = Json::parse(out_of({"graph", "--timings", "--json"}));
    CHECK(std::ssize(json.at("summary")) ==
          std::count_if(timings.begin(), timings.end(), [](const Json& entry) { return entry.contains("pass"); }));
    std::size_t fired = 0;
    for (const Json& pass : json.at("summary")) fired += pass.at("fired").get<std::size_t>();
    std::size_t findings = 0;
    for (const Json& finding : json.at("findings")) findings += finding.at("fired").get<bool>();
    CHECK(fired == findings);
}

TEST_CASE("--expect catches every pass that is disabled and used to fire, naming the pass and the path") {
    const TempDir directory;
    const std::string golden = source_path("tests/golden/llama_bias").string();  // projections to merge, biases to fuse
    for (const std::string device : {"cpu", "cuda-emulated"}) {
        const std::string receipt = (directory / ("receipt-" + device + ".json")).string();
        const std::vector<std::string> base{"graph", "-m", golden, "--device", device};
        const auto with = [&](std::initializer_list<std::string> more) {
            std::vector<std::string> words = base;
            words.insert(words.end(), more);
            return words;
        };
        out_of(with({"--receipt", receipt, "-o", (directory / "graph.vt").string()}));
        out_of(with({"--expect", receipt}));

        std::set<std::string> fired;
        std::map<std::string, std::string> first_path;
        const Json written = Json::parse(read_bytes(receipt));
        for (const Json& entry : written.at("fired"))
            if (fired.insert(entry.at("pass")).second) first_path[entry.at("pass")] = entry.at("path");
        CHECK(fired.size() >= 7);
        for (const std::string& pass : fired) {
            CAPTURE(pass);
            const ProcessResult result = run_vitro(with({"--expect", receipt, "--disable-pass", pass}));
            CHECK(result.exit_code == 1);
            CHECK(result.out.empty());
            CHECK(result.err.find(fmt::format("{} did not fire at {}: the pass did not run\n", pass,
                                              first_path[pass])) != std::string::npos);
        }
    }
}

TEST_CASE("--expect refuses what is no receipt, or one of another graph") {
    const TempDir directory;
    const std::string file = (directory / "receipt.json").string();
    const auto refusal = [&](const std::string& text) {
        write_bytes(file, text);
        const ProcessResult result = run_vitro({"graph", "--expect", file});
        CHECK(result.exit_code == 1);
        return result.err;
    };
    for (const std::string text : {"", "{", "[]", "3", "{}", R"({"fired": 3})", R"({"fired": [], "graph": 1})",
                                   R"({"graph": "Phi3ForCausalLM", "phase": "decode", "fired": [1]})",
                                   R"({"graph": "Phi3ForCausalLM", "phase": "decode", "fired": [{"pass": "x"}]})"}) {
        CAPTURE(text);
        CHECK(refusal(text).find("expected a receipt, as --receipt writes it") != std::string::npos);
    }
    CHECK(refusal(R"({"graph": "Phi3ForCausalLM", "phase": "prefill", "fired": []})")
              .find("expected a receipt of Phi3ForCausalLM, decode, found one of Phi3ForCausalLM, prefill") !=
          std::string::npos);
    CHECK(run_vitro({"graph", "--expect", (directory / "none.json").string()}).exit_code == 1);
}

}  // namespace vitro::test
