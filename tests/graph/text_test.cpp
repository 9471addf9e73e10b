#include "graph/text.h"

#include "graph/builder.h"
#include "graph/verify.h"
#include "ops/add/add.h"
#include "ops/cast/cast.h"
#include "ops/embed/embed.h"
#include "ops/kv_append/kv_append.h"
#include "ops/matmul/matmul.h"
#include "ops/op_list.h"
#include "ops/reshape/reshape.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/rope/rope.h"
#include "ops/split/split.h"
#include "tests/runtime/goldens.h"

#include <doctest/doctest.h>

#include <chrono>
#include <limits>

namespace vitro {
namespace {

/// Every kind of value, every kind of attribute, places, sources, realized paths, modules, several outputs.
Graph graph_of_everything() {
    Builder b("every \"kind\" \\ of thing");
    b.symbol('T', 8);
    b.symbol('S', 2);
    const Value tokens = b.input("tokens", {DType::i32, {'T'}}), positions = b.input("positions", {DType::i32, {'T'}});
    const Value sequences = b.input("sequences", {DType::i32, {'T'}});
    const Value pages = b.input("page_table", {DType::i32, {'S', 3}});
    const Value cache = b.state("cache", {DType::bf16, {6, 4, 2, 4}});
    Value x, table, weight;
    {
        const auto scope = b.scope("embed", "Embedding", "5, 8");
        table = b.weight("weight", {DType::f16, {5, 8}});
    }
    x = embed(b.named("embed"), tokens, table, {.dtype = DType::f32});
    {
        const auto scope = b.scope("norm", "Norm", "eps=\"tiny\", of\ttwo\nlines");
        weight = b.weight("weight", {DType::bf16, {8}});
    }
    x = rms_norm(b.named("norm"), x, weight, {.eps = 1e-38f});
    const Value heads = reshape(b.named("heads"), x, {'T', 2, 4});
    const Value turned = rope(b.named("turned"), heads, positions,
                              {.theta = 12345.678f, .attention_scale = 0.1f, .short_factor = {1.0f, 3.4028235e38f}});
    b.update(cache, kv_append(b.named("cache.next"), cache, turned, positions, sequences, pages));
    const std::vector<Value> parts = split(b.named("parts"), x, {.axis = -1, .sizes = {3, 5}});
    const float floats[] = {0.1f, -0.0f, 1e-45f, 16777217.0f, std::numeric_limits<float>::infinity()};
    const std::int32_t integers[] = {-2147483647 - 1, 0, 2147483647};
    const Value constant = b.constant(floats);
    b.constant(integers);
    Value sum = add(b.named("sum"), parts[1], constant);
    sum = cast(b.named("cast"), sum, {.dtype = DType::bf16});
    b.result(sum);
    b.result(turned);
    b.result(matmul(b.named("scores"), x, x, {.transpose_b = true}));
    Graph graph = b.finish();
    graph.nodes[1].realizes = {"norm.square", "norm.mean", "norm"};
    graph.value(weight.id).source = "k-1/v.weight";
    graph.value(weight.id).prepared = true;
    graph.nodes[2].source = {};
    return graph;
}

void check_same(const Graph& a, const Graph& b) {
    CHECK(a.name == b.name);
    CHECK(a.bounds == b.bounds);
    CHECK(a.modules == b.modules);
    REQUIRE(a.values.size() == b.values.size());
    REQUIRE(a.nodes.size() == b.nodes.size());
    // Ids may differ: in a file all other values stand before those of the nodes.
    const auto paths = [](const Graph& graph, const std::vector<ValueId>& ids) {
        std::vector<std::string> out;
        for (const ValueId id : ids) out.push_back(id == kAbsent ? "none" : graph.value(id).path);
        return out;
    };
    for (const ValueInfo& value : a.values) {
        CAPTURE(value.path);
        REQUIRE(b.find(value.path) >= 0);
        const ValueInfo& other = b.value(b.find(value.path));
        CHECK(value.kind == other.kind);
        CHECK(value.type == other.type);
        CHECK(value.producer == other.producer);
        CHECK(value.data == other.data);
        CHECK(value.source == other.source);
        CHECK(value.prepared == other.prepared);
    }
    for (std::size_t n = 0; n < a.nodes.size(); ++n) {
        const Node &node = a.nodes[n], &other = b.nodes[n];
        CAPTURE(describe(a, node));
        CHECK(node.op == other.op);
        CHECK(paths(a, node.inputs) == paths(b, other.inputs));
        CHECK(paths(a, node.outputs) == paths(b, other.outputs));
        CHECK(node.source == other.source);
        CHECK(node.realizes == other.realizes);
        CHECK(node.attributes.texts() == other.attributes.texts());
    }
    CHECK(paths(a, a.results) == paths(b, b.results));
    REQUIRE(a.updates.size() == b.updates.size());
    for (std::size_t i = 0; i < a.updates.size(); ++i) {
        CHECK(paths(a, {a.updates[i].state, a.updates[i].next}) == paths(b, {b.updates[i].state, b.updates[i].next}));
    }
}

void check_round_trip(const Graph& graph) {
    const std::string text = print(graph);
    const Graph again = parse(text, "test.graph", find_op);
    CHECK(print(again) == text);
    check_same(graph, again);
}

std::string error_of(std::string_view text) {
    try {
        parse(text, "g", find_op, all_ops);
    } catch (const Error& error) {
        return error.what();
    }
    return "(no error)";
}

constexpr std::string_view kHead = "graph \"g\"\nsymbol T <= 8\n%x = input f32 [T, 4]\n%w = weight f32 [4]\n";

}  // namespace

TEST_CASE("a graph of everything is the same after print and parse") { check_round_trip(graph_of_everything()); }

TEST_CASE("the graphs of all goldens, naive and as they run, are the same after print and parse") {
    for (const std::string& name : test::golden_names()) {
        CAPTURE(name);
        const test::LoadedModel loaded = test::load_golden(name, {.max_sequences = 2, .chunk = 16});
        check_round_trip(loaded.model.program(Phase::prefill).graph);
        check_round_trip(loaded.model.program(Phase::decode).graph);
        check_round_trip(build_model(loaded.model.config(), {.max_tokens = 16, .context = 40}));
    }
}

TEST_CASE("a device of any name, and a place in a file") {
    const std::string text =
        "graph \"g\"\nsymbol T <= 4\n%x = input f32 [T] @cuda-emulated\n"
        "%y = relu(%x) : f32 [T] @cuda-emulated @models/a-b.cpp:3\nreturn %y\n";
    const Graph graph = parse(text, "test", find_op);
    CHECK(graph.nodes.at(0).device == "cuda-emulated");
    CHECK(graph.nodes.at(0).source == SourceLine{"models/a-b.cpp", 3});
    check_round_trip(graph);
}

TEST_CASE("spaces, empty lines, comments and line ends of other systems do not matter") {
    const Graph graph = parse(
        "# a graph\r\n\n  graph \"g\"  # its name\r\nsymbol T<=8\r\n\t%x=input f32 [T, 4]\r\n"
        "%y  =  add( %x ,%x ) :f32 [T, 4]@a/b.cpp:7@cpu <= p.q , r # both\nreturn %y",
        "g", find_op);
    CHECK(print(graph) ==
          "graph \"g\"\nsymbol T <= 8\n%x = input f32 [T, 4]\n"
          "%y = add(%x, %x) : f32 [T, 4] @cpu @a/b.cpp:7 <= p.q, r\nreturn %y\n");
}

TEST_CASE("malformed text: the error names file, line, column, what was expected and what was found") {
    struct Case {
        std::string lines;  // after kHead, whose four lines come first; or the whole text where it begins with '!'
        std::string expected;
    };
    const std::vector<Case> cases = {
        {"!", "g: expected a line 'graph \"name\"', found none"},
        {"!# only words\n", "g: expected a line 'graph \"name\"', found none"},
        {"!graph g", "g:1:7: expected the graph's name in quotes, found g"},
        {"!graph \"g", "expected the string's closing '\"', found the end of the line"},
        {"!graph \"g\" x", "g:1:11: expected the end of the line, found x"},
        {"nonsense", "g:5:1: expected graph, symbol, module, a %value, repeat, return or update"},
        {"symbol t <= 4", "g:5:8: expected a symbol, one capital letter, found t <= 4"},
        {"symbol TT <= 4", "g:5:8: expected a symbol, one capital letter, found TT <= 4"},
        {"symbol S < 4", "g:5:10: expected '<=', found < 4"},
        {"symbol S <= many", "g:5:13: expected a bound, found many"},
        {"symbol S <= 0", "g: symbol S: expected a bound in [1, 2147483647], found 0"},
        {"module \"a\" \"b\"", "g:5:15: expected a detail in quotes, found the end of the line"},
        {"%x = input f32 [4]", "g:5:1: expected a new value, found %x = input f32 [4]"},
        {"%y, %z, %y = split(%x) {axis = 1, sizes = [1, 1, 2]} : f32 [T, 1], f32 [T, 1], f32 [T, 2]",
         "g:5:9: expected a new value, found %y = split"},
        {"% = input f32 [4]", "g:5:3: expected a value's path, found = input f32 [4]"},
        {"%y input f32 [4]", "g:5:4: expected '=', found input f32 [4]"},
        {"%y = input f31 [4]", "g:5:12: expected a dtype, found f31 [4]"},
        {"%y = input f32 4", "g:5:16: expected a shape of at most 5 sizes, such as [T, 64], found 4"},
        {"%y = input f32 [1, 2, 3, 4, 5, 6]",
         "g:5:16: expected a shape of at most 5 sizes, such as [T, 64], found [1, 2, 3, 4, 5, 6]"},
        {"%y = input f32 [4", "g:5:16: expected a list with its closing ']', found [4"},
        {"%y = input f32 [4, t]", "g:5:16: expected a shape of at most 5 sizes, such as [T, 64], found [4, t]"},
        {"%y = input f32 [0]", "g: value y: f32 [0]: expected sizes of at least 1"},
        {"%y = input f32 [S]", "g: value y: f32 [S]: symbol S has no bound"},
        {"%y, %z = input f32 [4]", "g:5:16: expected one value, found f32 [4]"},
        {"%y = weight f32 [4] from", "g:5:21: expected the end of the line, found from"},
        {"%y = constant f32 [1]", "g:5:22: expected '{', found the end of the line"},
        {"%y = constant f32 [1] {a}", "g:5:24: expected a number, found a}"},
        {"%y = constant f32 [2] {1}", "g: value y: expected 8 bytes of data, found 4"},
        {"%y = constant i32 [1] {1.5}", "g:5:24: expected an integer, found 1.5}"},
        {"%y = constant i32 [1] {4294967296}", "expected integers of 32 bits"},
        {"%y = constant f16 [1] {1}", "g:5:24: expected a constant of f32 or i32, found 1}"},
        {"%y = addd(%x, %x) : f32 [T, 4]", "g:5:6: no op is called 'addd': did you mean 'add'?"},
        {"%y = add(%x, %q) : f32 [T, 4]", "g:5:14: expected a value that stands above, found %q) : f32 [T, 4]"},
        {"%y = add(%x, %y) : f32 [T, 4]", "g:5:14: expected a value that stands above, found %y"},
        {"%y = add(%x %x) : f32 [T, 4]", "g:5:13: expected ')', found %x) : f32 [T, 4]"},
        {"%y = add(%x) : f32 [T, 4]", "g: add at y: expected 2 inputs, found 1"},
        {"%y = layer_norm(%x, %w, bais = %w) : f32 [T, 4]",
         "g:5:25: expected an input of layer_norm that has no value yet, by name; of x weight bias, found bais = %w"},
        {"%y = layer_norm(%x, %w, bias = %w, bias = %w) : f32 [T, 4]",
         "g:5:36: expected an input of layer_norm that has"},
        {"%y = layer_norm(%x, weight = %w, %w) : f32 [T, 4]", "g:5:34: expected an input of layer_norm that has"},
        {"%y = layer_norm(%x, bias = %w) : f32 [T, 4]", "g: layer_norm at y: weight: expected a value, found none"},
        {"%y = layer_norm(%x, %w, bias %w) : f32 [T, 4]", "g:5:30: expected '=', found %w) : f32 [T, 4]"},
        {"%y = concat(x = %x) {axis = 1} : f32 [T, 4]", "g:5:13: expected an input of concat that has no value yet"},
        {"%y = linear(%x, %x, norm_weight = %w) {eps = nan} : f32 [T, 4]",
         "g: linear at y: eps: expected a finite number of at least 0, found nan"},
        {"%y = rms_norm(%x, %w) {eps = nan} : f32 [T, 4]",
         "g: rms_norm at y: eps: expected a finite number of at least 0, found nan"},
        {"%y = add(%x, %x)", "g:5:17: expected ':', found the end of the line"},
        {"%y = add(%x, %x) : f32 [T, 5]", "g: add at y: expected output f32 [T, 4], found f32 [T, 5]"},
        {"%y, %z = add(%x, %x) : f32 [T, 4]", "g:5:34: expected ',', found the end of the line"},
        {"%y = add(%x, %x) {axis = 1} : f32 [T, 4]", "g:5:18: add: "},
        {"%y = rms_norm(%x, %w) {eps} : f32 [T, 4]", "g:5:27: expected '=', found } : f32 [T, 4]"},
        {"%y = rms_norm(%x, %w) {eps = one} : f32 [T, 4]", "g:5:23: rms_norm: attribute eps: expected "},
        {"%y = rms_norm(%x, %w) {eps = 1, eps = 2} : f32 [T, 4]", "expected each attribute once"},
        {"%y = rms_norm(%x, %w) {eps = 1 : f32 [T, 4]", "g:5:32: expected '}', found : f32 [T, 4]"},
        {"%y = add(%x, %x) : f32 [T, 4] @", "g:5:32: expected a device or a file, found the end of the line"},
        {"%y = add(%x, %x) : f32 [T, 4] @Cpu", "add at y: expected a device's name in small letters, found 'Cpu'"},
        {"%y = add(%x, %x) : f32 [T, 4] @a.cpp", "g:5:37: expected ':', found the end of the line"},
        {"%y = add(%x, %x) : f32 [T, 4] <=", "g:5:33: expected a path, found the end of the line"},
        {"return %y", "g:5:8: expected a value that stands above, found %y"},
        {"update %x = %x", "g: update of x: expected a state"},
        {"update %x", "g:5:10: expected '=', found the end of the line"},
    };
    for (const Case& one : cases) {
        CAPTURE(one.lines);
        const bool whole = one.lines.starts_with('!');
        const std::string error = error_of(whole ? one.lines.substr(1) : std::string(kHead) + one.lines + "\n");
        CAPTURE(error);
        CHECK(error.find(one.expected) != std::string::npos);
        CHECK(error.starts_with("g:"));
        CHECK(error.find('\n') == std::string::npos);
    }
}

TEST_CASE("optional inputs are printed by name, and read in any order, or as the others when all before are given") {
    const std::string head = "graph \"g\"\n%x = input f32 [2, 4]\n%w = weight f32 [4, 4]\n%b = weight f32 [4]\n";
    const auto printed = [&](const std::string& call) {
        const Graph graph = parse(head + "%y = " + call + " : f32 [2, 4]\nreturn %y\n", "g", find_op);
        const std::string line = print(graph, graph.nodes.at(0));
        return line.substr(5, line.find(" : ") - 5);
    };
    CHECK(printed("linear(%x, %w)") == "linear(%x, %w)");
    CHECK(printed("linear(%x, %w, residual = %x, bias = %b)") == "linear(%x, %w, bias = %b, residual = %x)");
    CHECK(printed("linear(weight = %w, x = %x)") == "linear(%x, %w)");
    CHECK(printed("linear(%x, %w, %b, %b)") == "linear(%x, %w, weight_scale = %b, norm_weight = %b)");
    CHECK(printed("linear(%x, %w,\n    bias = %b)") == "linear(%x, %w, bias = %b)");
}

TEST_CASE("no damage to a file gets past the parser but as a graph that prints, or an Error") {
    const std::string whole = print(graph_of_everything());
    Random random(3);
    const auto at = [&](const std::string& text) {
        return static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(text.size()) - 1));
    };
    const auto start = std::chrono::steady_clock::now();
    int parsed = 0, refused = 0;
    for (int i = 0; i < 10000 && std::chrono::steady_clock::now() - start < std::chrono::seconds(10); ++i) {
        std::string text = whole;
        for (std::int64_t changes = random.integer(1, 3); changes > 0; --changes) {
            switch (random.integer(0, 4)) {
                case 0:
                    text[at(text)] = "0123456789-+.,=%{}[]()<>\"\\ #@:TSafix_\n"[random.integer(0, 38)];
                    break;
                case 1:
                    text.erase(at(text), static_cast<std::size_t>(random.integer(1, 6)));
                    break;
                case 2:
                    text.insert(at(text), std::to_string(random.bits() >> random.integer(0, 63)));
                    break;
                case 3:
                    text.insert(at(text), text.substr(at(text), static_cast<std::size_t>(random.integer(1, 40))));
                    break;
                default:
                    text[at(text)] = static_cast<char>(random.integer(0, 255));
                    break;
            }
        }
        try {
            const std::string printed = print(parse(text, "g", find_op));
            ++parsed;
            if (print(parse(printed, "g", find_op)) != printed) FAIL_CHECK("prints otherwise the second time: ", text);
        } catch (const Error& error) {
            ++refused;
            if (std::string_view(error.what()).find('\n') != std::string_view::npos)
                FAIL_CHECK("two lines: ", error.what());
        }
    }
    MESSAGE(parsed << " parsed, " << refused << " refused");
    CHECK(parsed > 20);
    CHECK(refused > 200);
}

}  // namespace vitro
