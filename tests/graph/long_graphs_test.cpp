// Graphs that are long, deep or wide: time in proportion to their size, and no recursion that follows them.
#include "backends/cpu/cpu_backend.h"
#include "graph/builder.h"
#include "graph/check_plan.h"
#include "graph/load_program.h"
#include "ops/add/add.h"
#include "ops/concat/concat.h"
#include "ops/op_list.h"
#include "ops/relu/relu.h"
#include "ops/slice/slice.h"
#include "ops/transpose/transpose.h"
#include "passes/passes.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <ctime>

namespace vitro::test {
namespace {

constexpr int kLong = 50'000;
constexpr double kMostSeconds = 10;  // of processor time; what takes time in the square of kLong takes minutes

/// The graph after all passes, compiled for the CPU; its plan is checked.
Program compiled(Graph graph) {
    CpuBackend host(1);
    const Target target{host, cpu_kernels()};
    optimize(graph, {&target, 1});
    Program program = compile(std::move(graph), target);
    require_sound(program);
    const Program* const programs[] = {&program};
    require_sound(LoadProgram(programs, {&target, 1}).program());
    CHECK(joined(program).results.size() == program.graph.results.size());
    return program;
}

void check_quick(auto&& work) {
    const std::clock_t begin = std::clock();
    work();
    CHECK(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC < kMostSeconds);
}

const TensorType kMatrix{DType::f32, {4, 4}};

}  // namespace

TEST_CASE("a long chain of ops that change nothing becomes what it began with") {
    check_quick([] {
        Builder b("chain");
        Value x = b.input("x", kMatrix);
        for (int i = 0; i < kLong; ++i) x = slice(b.named(fmt::format("v{}", i)), x, {.axis = 0, .begin = 0, .end = 4});
        b.result(x);
        const Program program = compiled(b.finish());
        CHECK(program.graph.nodes.empty());
    });
}

TEST_CASE("a long chain of transposes becomes one or none") {
    check_quick([] {
        Builder b("chain");
        Value x = b.input("x", kMatrix);
        for (int i = 0; i < kLong + 1; ++i) x = transpose(b.named(fmt::format("v{}", i)), x, {1, 0});
        b.result(x);
        CHECK(compiled(b.finish()).graph.nodes.size() == 1);
    });
}

TEST_CASE("a long chain on constants is folded in one go") {
    check_quick([] {
        Builder b("chain");
        const float numbers[] = {-1, 2};
        Value x = b.constant(std::span(numbers));
        for (int i = 0; i < kLong; ++i) x = add(b.named(fmt::format("v{}", i)), x, x);
        for (int i = 0; i < kLong; ++i) x = relu(b.named(fmt::format("w{}", i)), x);
        b.result(x);
        const Graph graph = compiled(b.finish()).graph;
        CHECK(graph.nodes.empty());
        CHECK(graph.value(graph.results[0]).kind == ValueKind::constant);
    });
}

TEST_CASE("a long chain on weights is made at load, without recursion") {
    check_quick([] {
        Builder b("chain");
        Value before = b.weight("w", kMatrix), w = before;
        for (int i = 0; i < kLong; ++i)
            before = std::exchange(w, add(b.named(fmt::format("v{}", i)), w, before));  // each is read twice
        b.result(add(b, b.input("x", kMatrix), w));
        const Program program = compiled(b.finish());
        CHECK(program.load.nodes.size() == kLong);
        CHECK(program.graph.nodes.size() == 1);
    });
}

TEST_CASE("an op with thousands of inputs") {
    check_quick([] {
        Builder b("wide");
        const Value x = b.input("x", kMatrix);
        std::vector<Value> parts;
        for (int i = 0; i < kLong / 2; ++i) parts.push_back(i % 2 == 0 ? x : relu(b.named(fmt::format("v{}", i)), x));
        b.result(concat(b, parts, 0));
        compiled(b.finish());
    });
}

}  // namespace vitro::test
