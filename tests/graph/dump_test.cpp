// The dumps' model of a graph: layers that are alike, scopes, differences, and the listing, which parses back.
#include "graph/dump/diff.h"
#include "graph/dump/listing.h"
#include "graph/dump/markup.h"
#include "graph/dump/repeat.h"
#include "graph/text.h"
#include "graph/verify.h"
#include "passes/passes.h"
#include "tests/paths.h"
#include "tests/runtime/goldens.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

namespace vitro::test {
namespace {

Graph parsed(std::string_view text) { return parse(text, "g", find_op); }

std::string error_of(std::string_view text) {
    try {
        parsed(text);
    } catch (const Error& error) {
        return error.what();
    }
    return "(no error)";
}

/// What `print` says, but for the order of what has none: leaves, modules and updates.
std::vector<std::string> content(const Graph& graph) {
    std::vector<std::string> nodes, rest;
    std::istringstream lines(print(graph));
    for (std::string line; std::getline(lines, line);)
        (line.find(") ") != std::string::npos && line[0] == '%' ? nodes : rest).push_back(line);
    std::sort(rest.begin(), rest.end());
    nodes.insert(nodes.end(), rest.begin(), rest.end());
    return nodes;
}

/// Three layers, the first of which reads x, and something before and after.
constexpr std::string_view kLayers = R"(graph "three layers"
symbol T <= 8
module "" "Model" ""
module "m.layers" "ModuleList" ""
module "m.layers.0" "Layer" ""
module "m.layers.0.norm" "Norm" "a \"b\""
module "m.layers.1" "Layer" ""
module "m.layers.1.norm" "Norm" "a \"b\""
module "m.layers.2" "Layer" ""
module "m.layers.2.norm" "Norm" "a \"b\""
module "m.head" "Head" ""
%x = input f32 [T, 4]
%m.layers.0.norm.weight = weight f32 [4]
%m.layers.1.norm.weight = weight f32 [4]
%m.layers.2.norm.weight = weight f32 [4]
%m.head.weight = weight f32 [4] from m.norm.a
%m.layers.0.norm = rms_norm(%x, %m.layers.0.norm.weight) : f32 [T, 4] @models/m.cpp:3
%m.layers.0.out = add(%x, %m.layers.0.norm) : f32 [T, 4] <= m.layers.0.sum, m.layers.0.out
%m.layers.1.norm = rms_norm(%m.layers.0.out, %m.layers.1.norm.weight) : f32 [T, 4] @models/m.cpp:3
%m.layers.1.out = add(%m.layers.0.out, %m.layers.1.norm) : f32 [T, 4] <= m.layers.1.sum, m.layers.1.out
%m.layers.2.norm = rms_norm(%m.layers.1.out, %m.layers.2.norm.weight) : f32 [T, 4] @models/m.cpp:3
%m.layers.2.out = add(%m.layers.1.out, %m.layers.2.norm) : f32 [T, 4] <= m.layers.2.sum, m.layers.2.out
%m.head = rms_norm(%m.layers.2.out, %m.head.weight) {eps = 0.5} : f32 [T, 4]
return %m.head
)";

std::string replaced(std::string_view text, std::string_view what, std::string_view by) {
    std::string out(text);
    const std::size_t at = out.find(what);
    REQUIRE(at != std::string::npos);
    out.replace(at, what.size(), by);
    return out;
}

CpuBackend& cpu() {
    static CpuBackend backend(1);
    return backend;
}
std::string listed(const Graph& graph, bool unfold = false) { return listing({graph, cpu()}, unfold); }

TEST_CASE("texts in markup keep every character that XML has") {
    CHECK(escaped("a\n\t<b> & \"c\"") == "a&#10;\t&lt;b&gt; &amp; &quot;c&quot;");
    CHECK(escaped("\x1b[31m") == "\xef\xbf\xbd[31m");
}

TEST_CASE("layers that are alike are found, with what the first one reads in the place of a layer before") {
    const auto repeats = find_repeats(parsed(kLayers));
    REQUIRE(repeats.size() == 1);
    CHECK(repeats[0].name() == "m.layers.0-2");
    CHECK(repeats[0].count() == 3);
    CHECK(repeats[0].carried == std::map<std::string, std::string>{{"out", "x"}});
    CHECK(repeats[0].index_of("m.layers.1.norm") == 1);
    CHECK(repeats[0].index_of("m.layers.3.norm") == -1);
    CHECK(repeats[0].index_of("m.layers.1") == -1);
    CHECK(repeats[0].relative("m.layers.1.norm.weight", 1) == ".norm.weight");
    CHECK(repeats[0].relative("m.layers.0.out", 1) == "previous.out");
    CHECK(repeats[0].relative("m.layers.2.out", 1) == "m.layers.2.out");
    CHECK(repeats[0].relative("m.layers.1", 1) == ".");
}

TEST_CASE("what comes after the last layer is not the layer's, whatever its path") {
    const Graph graph = parsed(replaced(replaced(kLayers, "%m.head = rms_norm(%m.layers.2.out",
                                                 "%m.layers.2.out.more = relu(%m.layers.2.out) : f32 [T, 4]\n"
                                                 "%m.head = rms_norm(%m.layers.2.out.more"),
                                        "three", "3"));
    const auto repeats = find_repeats(graph);
    REQUIRE(repeats.size() == 1);
    CHECK(repeats[0].name() == "m.layers.0-2");
    CHECK(repeats[0].index_of("m.layers.2.out") == 2);
    CHECK(repeats[0].index_of("m.layers.2.out.more") == -1);
    const std::string text = listed(graph);
    CHECK(text.find("end\n\n# m.layers.2\n%m.layers.2.out.more : f32 [T, 4] = relu(%m.layers.2.out)\n") !=
          std::string::npos);
    CHECK(content(parsed(text)) == content(graph));
}

TEST_CASE("layers that differ in anything are not folded") {
    const auto names = [&](std::string_view what, std::string_view by) {
        std::string out;
        for (const AlikeLayers& repeat : find_repeats(parsed(replaced(kLayers, what, by)))) out += repeat.name() + " ";
        return out;
    };
    CHECK(names("three", "3") == "m.layers.0-2 ");
    CHECK(names("%m.layers.2.norm.weight) :", "%m.layers.2.norm.weight) {eps = 0.5} :") == "m.layers.0-1 ");
    CHECK(names("%m.layers.0.norm.weight) :", "%m.layers.0.norm.weight) {eps = 0.5} :") == "m.layers.1-2 ");
    CHECK(names("%m.layers.1.norm.weight = weight f32", "%m.layers.1.norm.weight = weight f16") == "");
    CHECK(names("<= m.layers.2.sum,", "<= m.layers.1.sum,") == "m.layers.0-1 ");
    CHECK(names("add(%m.layers.1.out,", "add(%m.layers.0.out,") == "m.layers.0-1 ");
    CHECK(names("add(%x,", "add(%m.layers.0.norm,") == "m.layers.1-2 ");
    CHECK(names("%m.layers.2.out, %m.head.weight", "%m.layers.2.out, %m.layers.2.norm.weight") == "m.layers.0-1 ");
    CHECK(names("module \"m.layers.2.norm\" \"Norm\"", "module \"m.layers.2.norm\" \"Norm2\"") == "m.layers.0-1 ");
}

TEST_CASE("the listing shows alike layers once, and parses back to the same graph") {
    const Graph graph = parsed(kLayers);
    const std::string folded = listed(graph);
    CHECK(folded.find("repeat m.layers.0-2: 3 ×\n  first %previous.out = %x\n") != std::string::npos);
    CHECK(folded.find("  %.norm.weight : f32 [4]    = weight\n") != std::string::npos);
    CHECK(folded.find("  %.out         : f32 [T, 4] = add(%previous.out, %.norm)\n      <= .sum, .out\n") !=
          std::string::npos);
    CHECK(folded.find("layers.1") == std::string::npos);
    CHECK(content(parsed(folded)) == content(graph));
    const std::string whole = listed(graph, true);
    CHECK(whole.find("repeat") == std::string::npos);
    CHECK(whole.find("# m.layers.1\n") != std::string::npos);
    CHECK(content(parsed(whole)) == content(graph));
    CHECK(print(parsed(folded)) == print(parsed(whole)));
}

TEST_CASE("the listing of every stage of every model parses back to the same graph") {
    const Target target{cpu(), cpu_kernels()};
    for (const std::string& name : golden_names()) {
        const auto directory = source_path("tests/golden/" + name);
        const ModelConfig config = read_model_config(directory);
        for (const Phase phase : {Phase::prefill, Phase::decode}) {
            Graph graph = build_model(config, build_options(completed({}, config), phase, nullptr));
            PipelineOptions options;
            options.after = [&](const Pass* pass, const Graph& now, bool) {
                CAPTURE(name);
                CAPTURE(pass == nullptr ? "build" : pass->name);
                const std::string text = listed(now);
                CHECK(content(parsed(text)) == content(now));
                CHECK(listed(parsed(text)) == text);
            };
            optimize(graph, {&target, 1}, options);
            CHECK(content(parsed(listed(graph, true))) == content(graph));
        }
    }
}

TEST_CASE("repeats of a file that cannot be meant are refused with their place") {
    const std::string head = "graph \"g\"\n%x = input f32 [4]\n";
    const auto error = [&](std::string_view lines) { return error_of(head + std::string(lines)); };
    CHECK(error("repeat a.0-1: 2 ×\n  %.y : f32 [4] = relu(%x)\nend\nreturn %a.1.y\n") == "(no error)");
    CHECK(error("repeat a.0-1\n  %.y : f32 [4] = relu(%x)\n") == "g: expected 'end' of the repeat of a, found none");
    CHECK(error("repeat a.0-1: 3 ×\nend\n").starts_with("g:3:17: expected 2 ×, as a.0-1 says, found ×"));
    CHECK(error("repeat a.1-0\n").starts_with("g:3:8: expected layers such as model.layers.0-31, found a.1-0"));
    CHECK(error("repeat a\n").starts_with("g:3:8: expected layers"));
    CHECK(error("repeat a.0-99999999999999999999\n").starts_with("g:3:8: expected layers"));
    CHECK(error("repeat a.0-1\nrepeat b.0-1\n").starts_with("g:4:8: expected 'end' before another repeat"));
    CHECK(error("%.y = relu(%x) : f32 [4]\n").find("expected a whole path") != std::string::npos);
    CHECK(error("repeat a.0-1\n  %.y : f32 [4] = relu(%previous.y)\nend\n")
              .starts_with("g:4:24: expected a value that stands above, found %previous.y"));
    CHECK(error("repeat a.0-1\n  first %y = %x\nend\n").starts_with("g:4:9: expected %previous.…"));
    CHECK(error("repeat a.0-99998\n  %.y : f32 [4] = relu(%x)\nend\n").find("at most 100000 statements") !=
          std::string::npos);
    CHECK(error("end\n").starts_with("g:3:1: expected graph, symbol"));
    CHECK(error("%y : f32 [4],\n  %z = relu(%x)\n").starts_with("g:4:6: expected a type for each value"));
    CHECK(error("%y : f32 [4] = relu(\n  %x)\n").starts_with("g:3:21: expected '%', found the end of the line"));
    CHECK(error("%y : f32 [4] = relu(%x)\n  @\n").starts_with("g:4:4: expected a device or a file"));
}

TEST_CASE("a scope is a graph of its own: what it reads from outside are inputs, what is read of it results") {
    const Graph graph = parsed(kLayers), layer = scoped(graph, "layers.1");
    verify(layer);
    CHECK(layer.nodes.size() == 2);
    CHECK(layer.value(layer.find("m.layers.0.out")).kind == ValueKind::input);
    CHECK(layer.value(layer.find("m.layers.1.norm.weight")).kind == ValueKind::weight);
    REQUIRE(layer.results.size() == 1);
    CHECK(layer.value(layer.results[0]).path == "m.layers.1.out");
    CHECK(content(parsed(listed(layer))) == content(layer));
    CHECK(print(scoped(graph, "m.layers.1")) == print(layer));
    CHECK(scoped(graph, "m.layers.1.norm").nodes.size() == 1);
    CHECK(scoped(graph, "m.layers").nodes.size() == 6);
    const auto refusal = [&](std::string_view scope) -> std::string {
        try {
            scoped(graph, scope);
        } catch (const Error& error) {
            return error.what();
        }
        return "(no error)";
    };
    CHECK(refusal("layers.7") ==
          "--scope: expected a module or a value of the graph, found 'layers.7': did you mean 'm.layers.0'?");
    CHECK(refusal("norm") == "--scope: 'norm' is one of m.layers.0.norm and m.layers.1.norm and others");
    CHECK(refusal("layer") ==
          "--scope: expected a module or a value of the graph, found 'layer': did you mean 'm.layers'?");
    CHECK(refusal("nothing.like.it") == "--scope: expected a module or a value of the graph, found 'nothing.like.it'");
}

TEST_CASE("a difference tells by path what appeared, vanished and changed, alike layers once") {
    const Graph before = parsed(kLayers);
    std::string text(kLayers);
    for (const char* layer : {"0", "1", "2"}) {
        const std::string out = fmt::format("%m.layers.{}.out = add(", layer);
        const std::size_t at = text.find(out);
        text.replace(at, out.size(), fmt::format("%m.layers.{}.out = mul(", layer));
    }
    text = replaced(text, "%m.head = ", "%m.tail = ");
    text = replaced(text, "return %m.head", "return %m.tail");
    const Graph after = parsed(text);
    Journal journal;
    journal.fates["m.head"] = {Fate::Kind::elided, "m.tail", "a_pass"};
    GraphDiff found = diff(before, after, journal);
    found.from = "build";
    found.to = "a_pass";
    CHECK(found.changed.size() == 3);
    CHECK(found.same == before.values.size() - 4);
    REQUIRE(found.appeared.size() == 1);
    CHECK(found.appeared[0].path == "m.tail");
    REQUIRE(found.vanished.size() == 1);
    CHECK(found.vanished[0].fate == "elided in m.tail, by a_pass");
    CHECK(text_of(found) == R"(build -> a_pass: 1 values appeared, 1 vanished, 3 changed, 8 are the same

appeared (1)
+ m.tail : f32 [T, 4] = rms_norm(m.layers.2.out, m.head.weight) {eps = 0.5}

vanished (1)
- m.head : f32 [T, 4] = rms_norm(m.layers.2.out, m.head.weight) {eps = 0.5}
    elided in m.tail, by a_pass

changed (3)
m.layers.0-2: 3 ×
  ~ .out
      - f32 [T, 4] = add(previous.out, .norm)
      + f32 [T, 4] = mul(previous.out, .norm)
)");
    CHECK(text_of(found, true).find("~ m.layers.1.out\n    - f32 [T, 4] = add(m.layers.0.out, m.layers.1.norm)\n") !=
          std::string::npos);
    CHECK(diff(before, before, journal).same == before.values.size());
}

TEST_CASE("no damage to a folded file gets past the parser but as a graph that prints, or an Error") {
    const std::string whole = listed(parsed(kLayers));
    Random random(5);
    int refused = 0;
    for (int i = 0; i < 4000; ++i) {
        std::string text = whole;
        for (std::int64_t changes = random.integer(1, 3); changes > 0; --changes) {
            const auto at = static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(text.size()) - 1));
            if (random.integer(0, 1) == 0)
                text[at] = "0123456789-+.,=%{}[]()<>\"\\ #@:TSaefix_\n"[random.integer(0, 39)];
            else
                text.erase(at, static_cast<std::size_t>(random.integer(1, 12)));
        }
        try {
            listed(parsed(text));
        } catch (const Error& error) {
            ++refused;
            if (std::string_view(error.what()).find('\n') != std::string_view::npos)
                FAIL_CHECK("two lines: ", error.what());
        }
    }
    CHECK(refused > 200);
}

}  // namespace
}  // namespace vitro::test
