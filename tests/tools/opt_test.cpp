// opt: passes on graphs in files.
#include "graph/text.h"
#include "ops/op_list.h"
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <sstream>

using namespace vitro;
using namespace vitro::test;

namespace {

const std::string kFfn = source_path("tests/tools/ffn.vt").string();

std::vector<std::string> ops_of(const std::string& text) {
    std::vector<std::string> ops;
    for (const Node& node : parse(text, "stdout", find_op).nodes) ops.emplace_back(node.op->name);
    return ops;
}

}  // namespace

TEST_CASE("opt prints what the passes make of a graph, only those that are asked for") {
    using Ops = std::vector<std::string>;
    // Some CPUs have activations rounded to bf16.
    CHECK(ops_of(out_of({"opt", kFfn, "--disable-pass", "quantize_activations"})) == Ops{"concat", "linear", "linear"});
    CHECK(ops_of(out_of({"opt", kFfn, "--disable-pass", "quantize_activations,fuse_norm_matmul"})) ==
          Ops{"rms_norm", "concat", "linear", "linear"});
    CHECK(ops_of(out_of({"opt", kFfn, "--passes", "merge_projections,fuse_residual"})) ==
          Ops{"rms_norm", "concat", "matmul", "split", "silu", "mul", "linear"});
}

TEST_CASE("opt writes a file that opt reads again") {
    const TempDir directory;
    const std::string file = (directory / "out.vt").string();
    CHECK(out_of({"opt", kFfn, "-o", file}).empty());
    std::stringstream text;
    text << std::ifstream(file).rdbuf();
    CHECK(text.str() == out_of({"opt", kFfn}));
    CHECK(out_of({"opt", file}) == text.str());
}

TEST_CASE("opt tells what fired, what was refused and why, as text and as JSON") {
    const std::string text = out_of({"opt", kFfn, "--explain"});
    CHECK(text.find("fuse_gated_ffn               fired    gated: gated by silu in the matmul") != std::string::npos);
    const auto json = nlohmann::json::parse(out_of({"opt", kFfn, "--explain", "--json"}));
    CHECK(json.at("findings").size() > 3);
    CHECK(out_of({"opt", kFfn, "--timings"}).find("fuse_residual") != std::string::npos);
}

TEST_CASE("opt and graph check every pass by running it") {
    const ProcessResult result = run_vitro({"opt", kFfn, "--check-numerics", "--symbol", "T=3", "--seed", "7"});
    check_success(result);
    CHECK(result.out == out_of({"opt", kFfn}));
    CHECK(result.err.find("all near, with T = 3") != std::string::npos);
    for (const char* phase : {"prefill", "decode"}) {
        const ProcessResult graph = run_vitro({"graph", "--phase", phase, "--check-numerics", "--timings"});
        check_success(graph);
        CHECK(graph.err.find("values compared, all near") != std::string::npos);
    }
}

TEST_CASE("opt refuses what it cannot do, and says what it expected") {
    check_error(run_vitro({"opt", "no/such/file.vt"}), {"no/such/file.vt"});
    for (const std::string flag : {"--passes", "--disable-pass"}) {
        const ProcessResult unknown = run_vitro({"opt", kFfn, flag, "fuse_everything"});
        CHECK(unknown.exit_code == 2);
        CHECK(unknown.err.find("no pass is called 'fuse_everything'; there are ") != std::string::npos);
        const ProcessResult near = run_vitro({"opt", kFfn, flag, "fuse_attentoin"});
        CHECK(near.err == "error: no pass is called 'fuse_attentoin': did you mean 'fuse_attention'?\n");
    }
    CHECK(run_vitro({"opt"}).exit_code == 2);
    CHECK(run_vitro({"opt", kFfn, "--explain", "--timings"}).exit_code == 2);
}
