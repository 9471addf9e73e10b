#include "graph/verify.h"

#include "graph/builder.h"
#include "ops/add/add.h"
#include "ops/layer_norm/layer_norm.h"
#include "ops/matmul/matmul.h"
#include "ops/reshape/reshape.h"

#include <doctest/doctest.h>

namespace vitro {
namespace {

const TensorType kType{DType::f32, {'T', 4}};

/// Two nodes: y = x + x, z = x + y; a state that becomes z.
Graph sound_graph() {
    Builder b("sound");
    b.symbol('T', 8);
    const Value x = b.input("x", kType), state = b.state("cache", kType);
    const Value y = add(b.named("y"), x, x), z = add(b.named("z"), x, y);
    b.update(state, z);
    b.result(y);
    b.constant(1.0f);
    return b.finish();
}

/// What verify says of the sound graph after `change`.
template <class Change>
std::string complaint(Change&& change) {
    Graph graph = sound_graph();
    change(graph);
    try {
        verify(graph);
    } catch (const Error& error) {
        return error.what();
    }
    return "nothing";
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_CASE("an op that refuses its types: the error names op, path, place, names and types of the inputs") {
    Builder b("test");
    b.symbol('T', 8);
    const auto scope = b.scope("layers.0");
    const Value x = b.input("x", {DType::f32, {'T', 64}}), w = b.weight("weight", {DType::bf16, {32, 63}});
    const int line = __LINE__ + 2;
    try {
        matmul(b.named("up_proj"), x, w, {.transpose_b = true});
        FAIL_CHECK("matmul takes 64 x 63");
    } catch (const Error& error) {
        const std::string text = error.what();
        CAPTURE(text);
        CHECK(text.starts_with(fmt::format("matmul at layers.0.up_proj (tests/graph/verify_test.cpp:{}): ", line)));
        CHECK(contains(text, "64"));
        CHECK(contains(text, "63"));
        CHECK(text.ends_with("; a f32 [T, 64], b bf16 [32, 63]"));
    }
}

TEST_CASE("the number of inputs is checked before the op sees them") {
    Builder b("test");
    b.symbol('T', 8);
    const Value x = b.input("x", kType), w = b.weight("w", {DType::f32, {4}});
    const auto complaint_of = [&](const OpDef& op, std::vector<Value> inputs, const Attributes& attributes) {
        try {
            b.apply(op, inputs, attributes, "y", {});
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string("nothing");
    };
    CHECK(contains(complaint_of(kAdd, {x}, {}), "add at y: expected 2 inputs, found 1"));
    CHECK(contains(complaint_of(kAdd, {x, x, x}, {}), "expected 2 inputs, found 3"));
    CHECK(complaint_of(kLayerNorm, {x, w}, LayerNorm{}) == "nothing");
    CHECK(complaint_of(kLayerNorm, {x, w, w}, LayerNorm{}) == "nothing");
    CHECK(contains(complaint_of(kLayerNorm, {x}, LayerNorm{}), "expected 2 to 3 inputs, found 1"));
    CHECK(contains(complaint_of(kLayerNorm, {x, w, w, w}, LayerNorm{}), "expected 2 to 3 inputs, found 4"));
    CHECK(contains(complaint_of(kAdd, {x, Value{}}, {}), "expected 2 inputs, found 1"));
}

TEST_CASE("a sound graph passes") {
    CHECK(complaint([](Graph&) {}) == "nothing");
}

TEST_CASE("values must be defined before they are used, once, by the node that says so") {
    CHECK(contains(complaint([](Graph& g) { std::swap(g.nodes[0], g.nodes[1]); }), "is used before it is defined"));
    CHECK(contains(complaint([](Graph& g) { g.nodes[1].outputs = g.nodes[0].outputs; }), "y is defined elsewhere"));
    CHECK(contains(complaint([](Graph& g) { g.nodes[1].outputs = {0}; }), "output x is defined elsewhere"));
    CHECK(contains(complaint([](Graph& g) { g.nodes[1].outputs.clear(); }), "expected 1 outputs, found 0"));
    CHECK(contains(complaint([](Graph& g) {
                       ValueInfo loose;
                       loose.type = kType;
                       loose.path = "loose";
                       g.results.push_back(g.add_value(loose));
                   }),
                   "result loose is not defined"));
}

TEST_CASE("ids that are no value are errors, wherever they stand") {
    CHECK(contains(complaint([&](Graph& g) { g.nodes[0].inputs[0] = kAbsent; }), "x: expected a value, found none"));
    for (const ValueId id : {-2, 1000}) {
        CHECK(contains(complaint([&](Graph& g) { g.nodes[0].inputs[0] = id; }), "expected a value"));
        CHECK(contains(complaint([&](Graph& g) { g.nodes[0].outputs[0] = id; }), "expected a value"));
        CHECK(contains(complaint([&](Graph& g) { g.results[0] = id; }), "expected a value"));
        CHECK(contains(complaint([&](Graph& g) { g.updates[0].state = id; }), "expected a value"));
        CHECK(contains(complaint([&](Graph& g) { g.updates[0].next = id; }), "expected a value"));
    }
}

TEST_CASE("types must be what the op infers; both are shown") {
    const std::string text = complaint([](Graph& g) { g.value(g.find("y")).type = {DType::f16, {'T', 4}}; });
    CHECK(contains(text, "add at y (tests/graph/verify_test.cpp:"));
    CHECK(contains(text, "expected output f32 [T, 4], found f16 [T, 4]"));
}

TEST_CASE("symbols need bounds, shapes sizes of at least 1 that fit, ranks at most five") {
    CHECK(contains(complaint([](Graph& g) { g.bounds.clear(); }), "f32 [T, 4]: symbol T has no bound"));
    CHECK(contains(complaint([](Graph& g) { g.bounds['T'] = 0; }),
                   "symbol T: expected a bound in [1, 2147483647], found 0"));
    const auto with_input = [](Shape shape) {
        return complaint([&](Graph& g) { g.add_value({ValueKind::input, {DType::f32, shape}, "odd"}); });
    };
    CHECK(with_input({4, 4}) == "nothing");
    CHECK(contains(with_input({4, 0}), "value odd: f32 [4, 0]: expected sizes of at least 1"));
    CHECK(contains(with_input({-4}), "expected sizes of at least 1"));
    CHECK_THROWS_WITH_AS(Shape({1, 1, 1, 1, 1, 1}), "expected at most 5 dimensions, found more", Error);
    const std::int64_t most = kMostSize;
    CHECK(contains(with_input({most, most, 2}), "does not fit in 63 bits"));
    CHECK(contains(with_input({most + 1}), "value odd: f32 [2147483648]: expected sizes of at most 2147483647"));
    CHECK(contains(complaint([&](Graph& g) { g.bounds['T'] = most + 1; }),
                   "symbol T: expected a bound in [1, 2147483647], found 2147483648"));
    CHECK(contains(with_input({1 << 24, 1 << 25}), "expected values of at most 1125899906842624 bytes together"));
    const std::string third = complaint([&](Graph& g) {
        for (const char* name : {"a", "b", "c"})
            g.add_value({ValueKind::input, {DType::f32, {1 << 24, 1 << 23}}, name});
    });
    CHECK(third ==
          "graph sound: expected values of at most 1125899906842624 bytes together, found more: b is f32 "
          "[16777216, 8388608], of 562949953421312 bytes");
}

TEST_CASE("weights and constants have constant sizes") {
    for (const ValueKind kind : {ValueKind::weight, ValueKind::constant})
        CHECK(contains(complaint([&](Graph& g) {
                           ValueInfo info{kind, kType, "w"};
                           info.source = "w";
                           info.data.resize(8 * 4 * 4);
                           g.add_value(std::move(info));
                       }),
                       "value w: expected constant sizes, found f32 [T, 4]"));
}

TEST_CASE("values of blocks have rows of whole blocks") {
    const auto with_weight = [](const Shape& shape) {
        return complaint([&](Graph& g) {
            ValueInfo info{ValueKind::weight, {DType::q4_k, shape}, "w"};
            info.source = "w";
            g.add_value(std::move(info));
        });
    };
    CHECK(with_weight({3, 512}) == "nothing");
    CHECK(contains(with_weight({512, 128}), "value w: q4_k [512, 128]: expected rows of whole blocks of 256 elements"));
    CHECK(contains(with_weight({}), "expected rows of whole blocks"));
}

TEST_CASE("blocks of numbers are whole, and are moved as whole rows") {
    const auto with = [](ValueKind kind, Shape shape) {
        return complaint([&](Graph& g) {
            ValueInfo info{kind, {DType::q4_0, std::move(shape)}, "w"};
            info.source = "w";
            g.add_value(std::move(info));
        });
    };
    CHECK(with(ValueKind::weight, {3, 64}) == "nothing");
    CHECK(contains(with(ValueKind::weight, {3, 40}), "q4_0 [3, 40]: expected rows of whole blocks of 32 elements"));
    CHECK(contains(with(ValueKind::weight, {}), "whole blocks of 32"));
    CHECK(contains(complaint([](Graph& g) {
                       ValueInfo info{ValueKind::weight, {DType::q8_0_r16, {12, 32}}, "w"};
                       info.source = "w";
                       g.add_value(std::move(info));
                   }),
                   "q8_0_r16 [12, 32]: expected a matrix whose rows are a multiple of 16"));
    Builder b("blocks");
    const Value w = b.weight("w", {DType::q4_0, {3, 64}});
    CHECK_THROWS_WITH_AS(reshape(b, w, {64, 3}),
                         doctest::Contains("expected rows of 64 as before, whose elements are in blocks"), Error);
    CHECK(b.type(reshape(b, w, {3, 1, 64})) == TensorType{DType::q4_0, {3, 1, 64}});
    const Value packed = b.weight("packed", {DType::q8_0_r16, {16, 64}});
    CHECK_THROWS_WITH_AS(reshape(b, packed, {2, 8, 64}),
                         doctest::Contains("expected rows that stand alone, found q8_0_r16, which packs 16 together"),
                         Error);
}

TEST_CASE("a graph has a result or an update") {
    CHECK(complaint([](Graph& g) { g.results.clear(); }) == "nothing");
    CHECK(complaint([](Graph& g) { g.updates.clear(); }) == "nothing");
    CHECK(complaint([](Graph& g) {
              g.results.clear();
              g.updates.clear();
          }) == "graph sound: expected 'return' of a value or 'update' of a state, found neither");
}

TEST_CASE("constants have their bytes, weights a source") {
    CHECK(contains(complaint([](Graph& g) { g.value(g.find("constant")).data.pop_back(); }),
                   "value constant: expected 4 bytes of data, found 3"));
    CHECK(contains(complaint([](Graph& g) {
                       g.add_value({ValueKind::weight, {DType::f32, {4}}, "w"});
                   }),
                   "value w: expected a checkpoint tensor, found none"));
}

TEST_CASE("a state is updated at most once, by a value of its type") {
    CHECK(contains(complaint([](Graph& g) { g.updates.push_back(g.updates[0]); }),
                   "update of cache: found a second one"));
    CHECK(contains(complaint([](Graph& g) { g.updates[0].state = g.find("x"); }), "update of x: expected a state"));
    CHECK(contains(complaint([](Graph& g) { g.updates[0].next = g.find("constant"); }),
                   "update of cache: expected f32 [T, 4], found constant f32 [1]"));
}

}  // namespace
}  // namespace vitro
