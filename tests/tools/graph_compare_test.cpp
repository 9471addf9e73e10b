// vitro graph --compare: what it says of each side is what vitro graph and vitro compare say of that one.
#include "tests/frontend/temp_dir.h"
#include "tests/tools/json_of.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

namespace vitro::test {
namespace {

using Json = nlohmann::json;

constexpr const char* kText = "The capital of France is";

/// By path, what `vitro graph --json` says of a value that an op computes.
std::map<std::string, Json> nodes_of(const std::vector<std::string>& flags) {
    std::vector<std::string> words{"graph"};
    words.insert(words.end(), flags.begin(), flags.end());
    const Json graph = json_of(words);
    std::map<std::string, Json> out;
    for (const Json& node : graph.at("nodes"))
        for (const Json& path : node.at("outputs")) out[path] = node;
    return out;
}

const Json& row_of(const Json& table, const std::string& path) {
    const auto& rows = table.at("values");
    const auto at = std::find_if(rows.begin(), rows.end(), [&](const Json& row) { return row.at("path") == path; });
    REQUIRE_MESSAGE(at != rows.end(), path);
    return *at;
}

bool differs(const Json& row, const char* aspect) {
    const auto& all = row.at("differs");
    return std::find(all.begin(), all.end(), aspect) != all.end();
}

}  // namespace

TEST_CASE("graph --compare: every side has the paths, ops, bytes and inputs that vitro graph tells of it") {
    for (const std::string after : {"build", "program"}) {
        const Json table = json_of({"graph", "--compare", "", "weights=fp8", "passes=none", "--after", after});
        const std::vector<std::vector<std::string>> flags{
            {"--after", after},
            {"--after", after, "--weights", "fp8"},
            {"--after", after, "--passes", "remove_dead_code", "--disable-pass", "remove_dead_code"}};
        REQUIRE(table.at("sides").size() == 3);
        for (std::size_t side = 0; side < 3; ++side) {
            CAPTURE(side);
            auto nodes = nodes_of(flags[side]);
            REQUIRE(nodes.size() > 20);
            std::size_t steps = 0;
            for (const Json& row : table.at("values")) {
                const Json& value = row.at("sides").at(side);
                const auto node = nodes.find(row.at("path"));
                if (!value.at("there").get<bool>() || node == nodes.end()) {
                    CHECK(node == nodes.end());
                    continue;
                }
                CHECK(value.at("op").get<std::string>().starts_with(node->second.at("op").get<std::string>()));
                CHECK(value.at("bytes") == node->second.at("bytes"));
                CHECK(value.at("inputs") == node->second.at("inputs"));
                steps = std::max(steps, value.value("step", std::size_t{0}));
                nodes.erase(node);
            }
            CHECK(nodes.empty());  // no path is left out
            CHECK(table.at("sides").at(side).at("steps") == steps);
        }
    }
}

TEST_CASE("graph --compare: marks what differs, and only that") {
    const Json table = json_of({"graph", "--exact", "--compare", "", "weights=fp8", "passes=-fuse_attention"});
    const Json& projection = row_of(table, "model.layers.2.self_attn.qkv_proj");
    for (const char* aspect : {"inputs", "bytes"}) CHECK(differs(projection, aspect));
    for (const char* aspect : {"presence", "op", "dtype", "shape", "step", "error"})
        CHECK_FALSE(differs(projection, aspect));
    const Json& scores = row_of(table, "model.layers.2.self_attn.scores");
    CHECK(scores.at("differs") == Json::array({"presence"}));
    CHECK(scores.at("sides").at(0).at("fate") == "elided in model.layers.2.self_attn.attention, by fuse_attention");
    CHECK(row_of(table, "model.embed_tokens").at("differs").empty());

    const std::string same = out_of({"graph", "--compare", "", "threads=1"});
    CHECK(contains(same, ", of which 0 differ\n"));
    const std::string types = out_of({"graph", "--compare", "kv-type=f32", "kv-type=fp8", "--after", "build"});
    CHECK(contains(types, "\nmodel.layers.0-3.self_attn.k_cache: dtype, bytes\n"));
    const std::string unfolded =
        out_of({"graph", "--compare", "kv-type=f32", "kv-type=fp8", "--after", "build", "--unfold"});
    CHECK(contains(unfolded, "\nmodel.layers.3.self_attn.k_cache: dtype, bytes\n"));
}

TEST_CASE("graph --compare: a pass that a side leaves out is the stage before it") {
    const Json table = json_of({"graph", "--compare", "", "passes=-fuse_attention", "--after", "fuse_attention"});
    CHECK(table.at("sides").at(0).at("stage") == "fuse_attention");
    CHECK(table.at("sides").at(1).at("stage") == "fuse_qkv_rope");
    CHECK(row_of(table, "model.layers.0.self_attn.scores").at("differs") == Json::array({"presence"}));
}

TEST_CASE("graph --compare: a graph file stands as it is") {
    const TempDir directory;
    const std::string file = (directory / "g.vt").string();
    out_of({"graph", "--after", "build", "-o", file});
    CHECK(contains(out_of({"graph", "--compare", "", file, "--after", "build"}), ", of which 0 differ\n"));
    const Json table = json_of({"graph", "--compare", "passes=none", file});
    for (const Json& row : table.at("values")) CHECK(row.at("differs").empty());
    CHECK(table.at("sides").at(1).at("title") == file);
}

TEST_CASE("graph --compare -p: errors are vitro compare's, of the steps of that phase") {
    for (const std::string phase : {"prefill", "decode"}) {
        CAPTURE(phase);
        const Json table = json_of({"graph", "--exact", "--compare", "", "weights=fp8", "passes=none", "-p", kText,
                                    "--phase", phase, "-n", "1"});
        const Json compared =
            Json::parse(run_vitro({"compare", "-p", kText, "-n", "1", "--exact", "--b", "weights=fp8", "--json"}).out);
        std::size_t found = 0;
        for (const Json& value : compared.at("values")) {
            if (value.at("phase") != phase) continue;
            for (const Json& row : table.at("values")) {
                if (row.at("path") != value.at("path")) continue;
                const Json& error = row.at("sides").at(1).at("error");
                for (const char* key : {"nmse", "largest", "where", "parts"}) CHECK(error.at(key) == value.at(key));
                CHECK(differs(row, "error") == value.at("parts").get<bool>());
                CHECK_FALSE(row.at("sides").at(0).contains("error"));
                const Json& other = row.at("sides").at(2);
                CHECK_FALSE((other.contains("error") && other.at("error").at("parts").get<bool>()));
                ++found;
            }
        }
        CHECK(found > 60);
        CHECK(
            table.at("sides").at(1).at("parting").get<std::string>().starts_with("model.layers.0.self_attn.qkv_proj"));
        CHECK(table.at("sides").at(2).at("parting") == "");
    }
}

TEST_CASE("graph --compare: wrong command lines") {
    const auto refused = [](std::vector<std::string> words, int code, const std::string& said) {
        words.insert(words.begin(), "graph");
        const ProcessResult result = run_vitro(words);
        CAPTURE(result.err);
        CHECK(result.exit_code == code);
        CHECK(contains(result.err, said));
    };
    refused({"--compare", ""}, 2, "expected two sides or more, at most 26, found 1");
    refused({"--compare", "", "weight=fp8"}, 2, "--compare: side b: expected model, device,");
    refused({"--compare", "", "g.vt", "-p", "x"}, 2, "expected a model, which -p can run, found the graph file g.vt");
    refused({"--compare", "", "", "-p", "x", "--phase", "load"}, 2, "found load");
    refused({"--compare", "", "", "--format", "dot"}, 2, "expected --format text, html or json, found dot");
    refused({"--compare", "", "", "--receipt", "r.json"}, 2, "expected neither --receipt nor --expect");
    refused({"--compare", "", "", "-n", "2"}, 2, "expected a text behind -p");
    refused({"-p", "x"}, 2, "expected --compare with --prompt");
    refused({"--compare", "", "nowhere"}, 1, "nowhere");
}

}  // namespace vitro::test
