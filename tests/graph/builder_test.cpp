#include "graph/builder.h"

#include "ops/add/add.h"
#include "ops/mul/mul.h"
#include "ops/split/split.h"

#include <doctest/doctest.h>

namespace vitro {
namespace {

const TensorType kType{DType::f32, {'T', 4}};

Builder builder_with_tokens() {
    Builder b("test");
    b.symbol('T', 8);
    return b;
}

TEST_CASE("values are named by scope and op, or by the name given") {
    Builder b = builder_with_tokens();
    const Value x = b.input("x", kType);
    Value inside{}, named{}, outside{};
    {
        const auto layers = b.scope("layers");
        const auto layer = b.scope("3", "Layer", "width=4");
        CHECK(b.path("weight") == "layers.3.weight");
        inside = add(b, x, x);
        named = add(b.named("residual"), x, inside);
    }
    outside = add(b, x, named);
    b.result(outside);
    const Graph graph = b.finish();
    CHECK(graph.value(inside.id).path == "layers.3.add");
    CHECK(graph.value(named.id).path == "layers.3.residual");
    CHECK(graph.value(outside.id).path == "add");
    CHECK(graph.find("layers.3.residual") == named.id);
    CHECK(graph.find("nowhere") == -1);
    // A path that is no module of its own ("layers") is not listed.
    CHECK(graph.modules == std::vector<Module>{{"layers.3", "Layer", "width=4"}});
}

TEST_CASE("paths are unique: later ones get a number") {
    Builder b = builder_with_tokens();
    const Value x = b.input("x", kType);
    const Value first = add(b, x, x), second = add(b, x, first), third = add(b, x, second);
    b.result(third);
    const Graph graph = b.finish();
    CHECK(graph.value(first.id).path == "add");
    CHECK(graph.value(second.id).path == "add.1");
    CHECK(graph.value(third.id).path == "add.2");
    for (std::size_t i = 0; i < graph.values.size(); ++i)
        CHECK(graph.find(graph.values[i].path) == static_cast<ValueId>(i));
}

TEST_CASE("a scope that is opened again is the same module") {
    Builder b("twice");
    const Value x = b.input("x", {DType::f32, {2}});
    Value y = x;
    for (int i = 0; i < 2; ++i) {
        const auto list = b.scope("experts", "ModuleList");
        const auto expert = b.scope("0", "Expert");
        y = add(b, y, y);
    }
    b.result(y);
    const Graph graph = b.finish();
    REQUIRE(graph.modules.size() == 2);
    CHECK(graph.modules[0].path == "experts");
    CHECK(graph.modules[1].path == "experts.0");
}

TEST_CASE("a node knows the line of the model that wrote it, relative to the project") {
    Builder b = builder_with_tokens();
    const Value x = b.input("x", kType);
    const int line = __LINE__ + 1;
    const Value y = add(b, x, x);
    b.result(mul(b.named("scaled"), y, y));
    const Graph graph = b.finish();
    CHECK(graph.nodes[0].source == SourceLine{"tests/graph/builder_test.cpp", line});
    CHECK(graph.nodes[1].source == SourceLine{"tests/graph/builder_test.cpp", line + 1});
    CHECK(describe(graph, graph.nodes[0]) == fmt::format("add at add (tests/graph/builder_test.cpp:{})", line));
}

TEST_CASE("weights are named below their scope and come from the tensor of that name") {
    Builder b = builder_with_tokens();
    const auto norm = b.scope("model.norm", "Norm");
    const Value weight = b.weight("weight", {DType::bf16, {4}});
    b.result(weight);
    const Graph graph = b.finish();
    CHECK(graph.value(weight.id).path == "model.norm.weight");
    CHECK(graph.value(weight.id).source == "model.norm.weight");
    CHECK_FALSE(graph.value(weight.id).prepared);
    CHECK(graph.values_of(ValueKind::weight) == std::vector<ValueId>{weight.id});
    CHECK(graph.values_of(ValueKind::state).empty());
}

TEST_CASE("constants carry their elements") {
    Builder b = builder_with_tokens();
    const float halves[] = {0.5f, 1.5f};
    const Value two = b.constant(2.0f), list = b.constant(std::span<const float>(halves));
    b.result(two);
    b.result(list);
    const Graph graph = b.finish();
    CHECK(graph.value(two.id).type == TensorType{DType::f32, {1}});
    CHECK(graph.value(list.id).type == TensorType{DType::f32, {2}});
    REQUIRE(graph.value(list.id).data.size() == sizeof halves);
    CHECK(std::memcmp(graph.value(list.id).data.data(), halves, sizeof halves) == 0);
}

TEST_CASE("several outputs are named by their index") {
    Builder b = builder_with_tokens();
    const Value x = b.input("x", kType);
    const std::vector<Value> parts = b.apply(kSplit, std::span(&x, 1), Split{1, {1, 3}}, "parts", {});
    REQUIRE(parts.size() == 2);
    b.result(parts[1]);
    const Graph graph = b.finish();
    CHECK(graph.value(parts[0].id).path == "parts.0");
    CHECK(graph.value(parts[1].id).path == "parts.1");
    CHECK(graph.value(parts[1].id).type == TensorType{DType::f32, {'T', 3}});
    CHECK(graph.use_counts()[static_cast<std::size_t>(parts[0].id)] == 0);
    CHECK(graph.use_counts()[static_cast<std::size_t>(parts[1].id)] == 1);
}

TEST_CASE("a symbol needs a bound of at least 1") {
    Builder b("test");
    CHECK_THROWS_WITH_AS(b.symbol('T', 0), "symbol T: expected a bound of at least 1, found 0", Error);
}

}  // namespace
}  // namespace vitro
