// vitro graph, each format read by what it is for.
#include "graph/split_load.h"
#include "graph/text.h"
#include "ops/op_list.h"
#include "tests/paths.h"
#include "tests/tools/phi3_mini.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace vitro::test {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

std::string graph_of(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "graph");
    return out_of(arguments);
}

/// A directory with Phi-3-mini's config.json.
class Phi3Mini {
public:
    Phi3Mini() { write_phi3_mini(directory_.path()); }
    std::string path() const { return directory_.path().string(); }

private:
    TempDir directory_;
};

TEST_CASE("graph prints both programs' graphs, folded or not, which parse to the same") {
    for (const std::string phase : {"prefill", "decode"}) {
        CAPTURE(phase);
        const std::string text = graph_of({"--phase", phase}), whole = graph_of({"--phase", phase, "--unfold"});
        const Graph graph = parse(text, phase, find_op);
        CHECK(print(graph) == print(parse(whole, phase, find_op)));
        CHECK(count(text, "repeat model.layers.0-") == 1);
        CHECK_FALSE(contains(whole, "repeat "));
        CHECK(text.size() < whole.size() / 2);
        CHECK(graph.name == "Phi3ForCausalLM");
        CHECK((graph.bounds.at('T') == 1) == (phase == "decode"));
    }
    CHECK(graph_of({}) == graph_of({"--phase", "decode", "--after", "program", "--format", "text"}));
    const TempDir directory;
    const std::string file = (directory / "g.vt").string();
    CHECK(graph_of({"-o", file}).empty());
    CHECK(read_bytes(file) == graph_of({}));
}

TEST_CASE("graph --batch and --chunk size the steps whose work is shown") {
    const auto bounds = [](const std::vector<std::string>& arguments) {
        const Json symbols = Json::parse(graph_of(arguments)).at("symbols");
        return std::pair(symbols.at("T").get<int>(), symbols.at("S").get<int>());
    };
    CHECK(bounds({"--json", "--phase", "decode", "--batch", "5"}) == std::pair(5, 5));
    CHECK(bounds({"--json", "--phase", "prefill", "--chunk", "48", "-c", "48"}) == std::pair(48, 1));
}

TEST_CASE("Phi-3-mini's 32 layers are one in the text, with places, work and what each step stands for") {
    const Phi3Mini model;
    const std::string text = graph_of({"-m", model.path()});
    CHECK(contains(text, "repeat model.layers.0-31: 32 ×\n"));
    CHECK(contains(text, "  first %previous.mlp_residual = %model.embed_tokens\n"));
    CHECK(contains(text, "<= .self_attn.o_proj, .attention_residual"));
    CHECK(contains(text, "# cpu, arena "));
    CHECK(contains(text, "moves 18.9 MB"));  // 3072 x 3072 bf16 weights and a little
    CHECK(std::count(text.begin(), text.end(), '\n') < 90);
    CHECK(parse(text, "g", find_op).nodes.size() > 150);
}

TEST_CASE("scope and diff show a part") {
    const std::string layer = graph_of({"--scope", "layers.0"});
    CHECK(layer == graph_of({"--scope", "model.layers.0"}));
    const Graph graph = parse(layer, "layer", find_op);
    CHECK(graph.value(graph.find("model.embed_tokens")).kind == ValueKind::input);
    CHECK(graph.find("model.layers.1.mlp_residual") == -1);
    CHECK_FALSE(contains(layer, "layers.1."));

    const std::string text = graph_of({"--diff", "build:fuse_attention"});
    CHECK(text.starts_with("build -> fuse_attention: "));
    CHECK(contains(text, "~ .self_attn.attention\n"));
    CHECK(contains(text, "elided in .self_attn.attention, by fuse_attention"));
    CHECK(contains(text, "model.layers.0-"));
    CHECK(contains(graph_of({"--diff", "build:fuse_attention", "--unfold"}), "~ model.layers.1.self_attn.attention\n"));
    CHECK_FALSE(contains(graph_of({"--diff", "build:program", "--scope", "layers.1"}), "model.layers.0.mlp"));
    CHECK(contains(graph_of({"--diff", "build:build"}), "0 values appeared, 0 vanished, 0 changed"));
    const Json json = Json::parse(graph_of({"--diff", "build:program", "--json"}));
    CHECK(json.at("format") == "vitro graph diff");
    CHECK(json.at("vanished").size() > 10);

    const auto check_usage = [](const std::vector<std::string>& arguments, std::string_view part) {
        const ProcessResult result = run_vitro(arguments);
        CHECK(result.exit_code == 2);
        CHECK(contains(result.err, part));
    };
    check_usage({"graph", "--diff", "build"},
                "--diff: expected two stages, such as build:fuse_attention, found 'build'");
    check_usage({"graph", "--diff", "build:nothing"}, "--diff: no stage is called 'nothing'; there are build, ");
    check_usage({"graph", "--diff", "build:program", "--format", "dot"}, "text or json, found dot");
    check_usage({"graph", "--after", "fuse_attentoin"},
                "--after: no stage is called 'fuse_attentoin': did you mean 'fuse_attention'?");
    check_error(run_vitro({"graph", "--scope", "lm_head"}),
                {"--scope: lm_head is not there after program: ", " by last_rows_only; try --after build"});
    check_error(run_vitro({"graph", "--scope", "layers.99"}), {"--scope", "found 'layers.99'"});
}

TEST_CASE(
    "--phase load shows what is made of the weights, joined and rounded to fp8, and decode shows it where it is read") {
    const std::string model = source_path("tests/golden/llama_bias").string();
    const auto text_of = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {"-m", model});
        return graph_of(arguments);
    };
    // Whole names: the large weights of all layers come first.
    const std::string joins = "concat(%model.layers.0.self_attn.q_proj.weight, %model.layers.0.self_attn.k_proj.weight";
    const std::string stored = text_of({"--phase", "load"}), fp8 = text_of({"--phase", "load", "--weights", "fp8"});
    CHECK(contains(stored, joins));
    CHECK_FALSE(contains(stored, "quantize_rows"));
    CHECK(contains(fp8, "quantize_rows(%.self_attn.q_proj.weight)"));
    CHECK_FALSE(contains(fp8, joins));
    for (const std::string& text : {stored, fp8}) {
        const Graph graph = parse(text, "load", find_op);
        CHECK(graph.bounds.empty());
        const std::vector<bool> at_load = load_nodes(graph);
        CHECK(std::find(at_load.begin(), at_load.end(), false) == at_load.end());
    }
    CHECK(
        contains(text_of({"--phase", "decode"}), "= concat(%model.layers.0.self_attn.q_proj.weight, %model.layers.0."));
    CHECK(contains(text_of({"--phase", "decode"}), "# at load, "));
    CHECK(contains(
        text_of({"--explain", "--unfold"}),
        "layers.0.self_attn.q_proj.add_bias+k_proj.add_bias+v_proj.add_bias.weight: runs once, at load: concat of "
        "model.layers.0.self_attn.k_proj.weight, model.layers.0.self_attn.q_proj.weight"));
    const Json json = Json::parse(text_of({"--phase", "load", "--json"}));
    for (const Json& node : json.at("nodes")) CHECK(node.at("work") == "load");
    CHECK(contains(text_of({"--phase", "load", "--format", "html"}), "quantize_rows") == false);
    CHECK(contains(text_of({"--phase", "load", "--format", "html", "--weights", "fp8"}), "quantize_rows"));
}

TEST_CASE("what graph prints goes through a pipe into opt and exec") {
    const std::string built = graph_of({"--after", "build"});
    const ProcessResult passes = run_vitro({"opt", "-", "--passes", "fuse_residual"}, {.input = built});
    check_success(passes);
    CHECK(print(parse(passes.out, "opt", find_op)) ==
          print(parse(graph_of({"--passes", "fuse_residual", "--after", "fuse_residual"}), "graph", find_op)));
    const ProcessResult layer =
        run_vitro({"exec", "-", "--symbol", "T=1", "--seed", "7"}, {.input = graph_of({"--scope", "layers.0"})});
    check_success(layer);
    CHECK(contains(layer.out + layer.err, "model.layers.0.mlp_residual"));
    for (const char* phase : {"decode", "prefill"}) {  // placed on a device
        const std::string placed = graph_of({"--device", "cuda-emulated", "--phase", phase});
        check_success(run_vitro({"opt", "-", "--device", "cuda-emulated"}, {.input = placed}));
    }
    check_error(run_vitro({"opt", "-"}, {.input = "nonsense\n"}), {"stdin:1:1: expected graph"});
}

TEST_CASE("Graphviz draws the whole of Phi-3-mini in two seconds, layers once") {
    const Phi3Mini model;
    for (const std::string stage : {"build", "program"}) {
        CAPTURE(stage);
        const std::string dot = graph_of({"-m", model.path(), "--format", "dot", "--after", stage});
        CHECK(contains(dot, "model.layers.0-31: 32 ×"));
        CHECK(contains(dot, "subgraph \"cluster_model.layers.0.self_attn\""));
        CHECK_FALSE(contains(dot, "cluster_model.layers.1."));
        CHECK(contains(dot, "f32 [T, 3072]"));
        if (run_program({"dot", "-V"}).exit_code == 127) {
            MESSAGE("SKIPPED: there is no dot (Debian: graphviz)");
            continue;
        }
        const auto start = Clock::now();
        const std::string svg = graph_of({"-m", model.path(), "--format", "svg", "--after", stage});
        const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
        MESSAGE(stage << ": " << seconds << " s");
        CHECK(seconds < 2);
        CHECK(count(svg, "<g id=\"node") == count(dot, " [label=<") - count(dot, "graph [label=<"));
        CHECK(count(svg, "<g id=\"clust") == count(dot, "subgraph "));
        CHECK(count(svg, "<g id=\"edge") == count(dot, " -> ") - count(dot, "[style=invis weight=0]"));
    }
    const std::string whole = graph_of({"-m", model.path(), "--exact", "--format", "dot", "--unfold"});
    CHECK(contains(whole, "subgraph \"cluster_model.layers.31.self_attn\""));
    if (run_program({"dot", "-V"}).exit_code == 127) return;
    CHECK(run_program({"dot", "-Tsvg"}, {.input = whole}).exit_code == 0);
}

TEST_CASE("the JSON is what its schema says") {
    if (run_program({"python3", "-c", "import jsonschema"}).exit_code != 0) {
        MESSAGE("SKIPPED: python3 has no jsonschema (Debian: python3-jsonschema)");
        return;
    }
    const auto verdict = [&](const std::string& json) {
        return run_program({"python3", "-c",
                            "import json, jsonschema, sys\n"
                            "jsonschema.Draft7Validator.check_schema(json.load(open(sys.argv[1])))\n"
                            "jsonschema.validate(json.load(sys.stdin), json.load(open(sys.argv[1])))",
                            source_path("graph/dump/graph.schema.json").string()},
                           {.input = json});
    };
    for (const std::string stage : {"build", "fuse_attention", "program"}) {
        CAPTURE(stage);
        const std::string text = graph_of({"--format", "json", "--after", stage});
        const ProcessResult result = verdict(text);
        CHECK_MESSAGE(result.exit_code == 0, result.err);
        Json json = Json::parse(text);
        json["values"][0]["kind"] = "wait";
        CHECK(verdict(json.dump()).exit_code == 1);  // the check can fail
    }
    const ProcessResult result = verdict(graph_of({"--format", "json", "--diff", "build:program"}));
    CHECK_MESSAGE(result.exit_code == 0, result.err);
}

TEST_CASE("the JSON says the same graph as the text") {
    const Json json = Json::parse(graph_of({"--json"}));
    const Graph graph = parse(graph_of({}), "g", find_op);
    REQUIRE(json.at("nodes").size() == graph.nodes.size());
    REQUIRE(json.at("values").size() == graph.values.size());
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        const Json& node = json.at("nodes")[n];
        CHECK(node.at("op") == graph.nodes[n].op->name);
        CHECK(node.at("outputs")[0] == graph.value(graph.nodes[n].outputs[0]).path);
        CHECK(node.value("realizes", std::vector<std::string>{}) == graph.nodes[n].realizes);
        CHECK(json.at("ops").contains(node.at("op")));
        if (!json.at("ops").at(node.at("op")).at("view")) CHECK(node.at("bytes") > 0);
    }
    for (const Json& value : json.at("values")) {
        CAPTURE(value.dump());
        CHECK(value.at("place").at("offset").get<std::size_t>() + value.at("place").at("bytes").get<std::size_t>() <=
              json.at("devices")
                  .at(value.at("place").at("device"))
                  .at(value.at("place").at("region"))
                  .get<std::size_t>());
    }
    CHECK(json.at("repeats")[0].at("layers") == "model.layers");
}

TEST_CASE("Model Explorer's format: modules are namespaces, every edge has its ends, costs are node data") {
    const Json json = Json::parse(graph_of({"--format", "model-explorer"}));
    const Json& graph = json.at("graphs").at(0);
    std::set<std::string> ids, namespaces;
    for (const Json& node : graph.at("nodes")) {
        CHECK(ids.insert(node.at("id")).second);
        namespaces.insert(node.at("namespace"));
    }
    std::size_t edges = 0;
    for (const Json& node : graph.at("nodes"))
        for (const Json& edge : node.value("incomingEdges", Json::array())) {
            CHECK(ids.contains(edge.at("sourceNodeId")));
            ++edges;
        }
    CHECK(edges > 50);
    CHECK(namespaces.contains("model/layers/0/self_attn"));
    const Json costs = Json::parse(graph_of({"--format", "model-explorer-cost"}));
    CHECK(costs.size() == 1);
    const Json& data = costs.at(graph.at("id").get<std::string>());
    for (const auto& [id, result] : data.at("results").items()) {
        CHECK(ids.contains(id));
        CHECK(result.at("value").get<std::int64_t>() > 0);
    }
    const std::string python = source_path(".venv/bin/python").string();
    if (run_program({python, "-c", "import model_explorer"}).exit_code != 0) {
        MESSAGE("SKIPPED: .venv has no ai-edge-model-explorer");
        return;
    }
    const TempDir directory;
    write_bytes(directory / "graph.json", json.dump());
    write_bytes(directory / "cost.json", costs.dump());
    const ProcessResult result = run_program({python, source_path("tests/tools/read_model_explorer.py").string(),
                                              (directory / "graph.json").string(), (directory / "cost.json").string()});
    CHECK_MESSAGE(result.exit_code == 0, result.err);
}

/// The data of a page's element.
Json data_of(const std::string& html, std::string_view id) {
    const std::string begin = fmt::format("<script type=\"application/json\" id=\"{}\">", id);
    const std::size_t at = html.find(begin);
    REQUIRE(at != std::string::npos);
    return Json::parse(html.substr(at + begin.size(), html.find("</script>", at) - at - begin.size()));
}

TEST_CASE("the page is one file with every stage, and asks no network") {
    const Phi3Mini model;
    const std::string html = graph_of({"-m", model.path(), "--format", "html"});
    CHECK(count(html, "http://") == count(html, "\"http://www.w3.org/2000/svg\""));  // a name, which nothing fetches
    CHECK_FALSE(contains(html, "https://"));
    CHECK_FALSE(contains(html, "@import"));
    CHECK_FALSE(contains(html, " src="));
    CHECK(html.size() < 3'000'000);
    const Json page = data_of(html, "page-data");
    REQUIRE(page.at("programs") == Json{"prefill", "decode", "load"});
    CHECK(page.at("start") == 1);
    const Json data = data_of(html, "program-1");
    CHECK(data.at("stages").front().at("name") == "build");
    CHECK(data.at("stages").back().at("name") == "program");
    const auto nodes_in = [&](const Json& run) {
        CHECK(run.at(0).get<std::size_t>() + run.at(1).get<std::size_t>() <= data.at("nodes").size());
        return run.at(1).get<std::size_t>();
    };
    std::size_t findings = 0;
    for (const Json& stage : data.at("stages")) {
        std::size_t nodes = 0;
        for (const Json& entry : stage.at("nodes")) {
            if (entry.at(0).is_number()) {
                nodes += nodes_in(entry);
                continue;
            }
            for (const Json& run : entry.at(0))
                nodes += nodes_in(run) * (entry.at(4).get<std::size_t>() - entry.at(3).get<std::size_t>() + 1);
        }
        const std::string name = stage.at("name");
        CAPTURE(name);
        if (name == "build" || name == "fuse_attention" || name == "program")
            CHECK(nodes == Json::parse(graph_of({"-m", model.path(), "--after", name, "--json"})).at("nodes").size());
        for (const Json& block : stage.at("findings"))
            findings += block.at("items").size() * (block.value("last", 0u) - block.value("first", 0u) + 1);
    }
    CHECK(findings == Json::parse(graph_of({"-m", model.path(), "--explain", "--json"})).at("findings").size());
}

TEST_CASE("a page says once what thousands of layers say alike") {
    const auto page_of = [](int layers) {
        const Phi3Mini model;
        Json config = Json::parse(read_bytes(fmt::format("{}/config.json", model.path())));
        config["num_hidden_layers"] = layers;
        write_bytes(fmt::format("{}/config.json", model.path()), config.dump());
        return graph_of({"-m", model.path(), "--format", "html"}).size();
    };
    CHECK(page_of(500) < page_of(50) + 2'000);
}

}  // namespace
}  // namespace vitro::test
