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

TEST_CASE("--expect catches every fusion that is disabled and used to fire, naming the pass and the path") {
    const TempDir directory;
    const auto golden = [](const std::string& name) { return source_path("tests/golden/" + name).string(); };
    // Projections to merge and biases to fuse; activations without a gate; sums and norms that nothing else takes;
    // weights in blocks.
    const std::vector<std::vector<std::string>> cases{
        {"-m", golden("llama_bias"), "--device", "cpu"},
        {"-m", golden("llama_bias"), "--device", "cuda-emulated"},
        {"-m", golden("gpt2")},
        {"--disable-pass", "fuse_residual", "--disable-pass", "fuse_norm_matmul"},
        {"--weights", "q8_0"},
    };
    std::set<std::string> all;
    for (std::size_t i = 0; i < cases.size(); ++i) {
        const std::string receipt = (directory / fmt::format("receipt-{}.json", i)).string();
        const auto with = [&](std::initializer_list<std::string> more) {
            std::vector<std::string> words{"graph"};
            words.insert(words.end(), cases[i].begin(), cases[i].end());
            words.insert(words.end(), more);
            return words;
        };
        out_of(with({"--receipt", receipt, "-o", (directory / "graph.vt").string()}));
        out_of(with({"--expect", receipt}));

        std::map<std::string, std::string> first_path;  // by pass
        const Json written = Json::parse(read_bytes(receipt));
        for (const Json& entry : written.at("fired")) first_path.try_emplace(entry.at("pass"), entry.at("path"));
        for (const auto& [pass, path] : first_path) {
            CAPTURE(pass);
            all.insert(pass);
            const ProcessResult result = run_vitro(with({"--expect", receipt, "--disable-pass", pass}));
            CHECK(result.exit_code == 1);
            CHECK(result.out.empty());
            CHECK(contains(result.err, fmt::format("{} did not fire at {}: the pass did not run\n", pass, path)));
        }
    }
    for (const Pass& pass : all_passes()) {
        CAPTURE(pass.name);
        const bool is_fusion = pass.name.starts_with("fuse_") || pass.name == "merge_projections";
        CHECK((!is_fusion || all.contains(std::string(pass.name))));
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
