#include "graph/program.h"

#include "graph/early_inputs.h"
#include "graph/executor.h"
#include "graph/text.h"
#include "ops/op_list.h"
#include "tests/runtime/goldens.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace vitro {
namespace {

/// (x + c)·w, and what it was in the step before.
constexpr std::string_view kText = R"(graph "program"
symbol T <= 4
%x = input f32 [T, 3]
%w = weight f32 [2, 3]
%c = constant f32 [3] {0.5, -1, 2}
%sum = add(%x, %c) : f32 [T, 3]
%flat = reshape(%sum) {shape = [T, 3]} : f32 [T, 3]
%y = matmul(%flat, %w) {transpose_b = true} : f32 [T, 2]
return %y
)";

/// The program of kText with its memory.
struct Running {
    CpuBackend backend{1};
    Program program;
    Buffer io, arena;
    float weight[6] = {1, 0, 0, 0, 2, 1};
    Executor executor;

    explicit Running(std::span<const KernelDef> kernels)
        : program(compile(parse(kText, "g", find_op), {backend, kernels})),
          io(backend.allocate(program.plan.bytes(Region::io), "io")),
          arena(backend.allocate(program.plan.bytes(Region::arena), "arena")),
          executor(program, {{backend, nullptr, io.data(), arena.data()}}, std::vector<const void*>{weight}) {}

    std::vector<float> run(const std::vector<float>& x) {
        SymbolValues symbols;
        symbols['T'] = static_cast<std::int64_t>(x.size() / 3);
        std::copy(x.begin(), x.end(), executor.tensor("x", symbols).as<float>());
        executor.run(symbols);
        const Tensor y = executor.tensor("y", symbols);
        return {y.as<float>(), y.as<float>() + y.elements()};
    }
};

}  // namespace

TEST_CASE("a program has a step for every node but views, with kernels where there are any") {
    const Running with(cpu_kernels()), without({});
    CHECK(with.program.steps.size() == 2);
    CHECK(without.program.steps.size() == 2);
    for (const Step& step : with.program.steps) {
        CHECK_FALSE(step.is_reference);
        CHECK((step.run != with.program.graph.node(step.node).op->reference));
    }
    for (const Step& step : without.program.steps) {
        CHECK(step.is_reference);
        CHECK((step.run == without.program.graph.node(step.node).op->reference));
    }
}

TEST_CASE("values of a decomposition make way for values of the graph that have their paths") {
    CpuBackend host(1);
    const Target target{host, {}};
    const Program program = compile(parse("graph \"g\"\nsymbol T <= 4\n%x = input f32 [T, 4]\n%w = weight f32 [4, 4]\n"
                                          "%y = linear(%x, %w) {activation = \"silu\"} : f32 [T, 4]\n"
                                          "%y.matmul = relu(%y) : f32 [T, 4]\n%y.silu = relu(%y.matmul) : f32 [T, 4]\n"
                                          "return %y\nreturn %y.matmul\nreturn %y.silu\n",
                                          "g", find_op),
                                    target);
    const Graph& graph = program.graph;
    CHECK(graph.nodes.size() == 4);
    CHECK(graph.value(graph.results[0]).path == "y");
    for (const auto& [result, path] : {std::pair{1, "y.matmul"}, std::pair{2, "y.silu"}}) {
        const ValueId id = graph.results[static_cast<std::size_t>(result)];
        CHECK(graph.value(id).path == path);
        CHECK(graph.find(path) == id);
        CHECK(graph.node(graph.value(id).producer).op->name == "relu");
    }
}

TEST_CASE("the first kernel that does not refuse the types is taken") {
    static int chosen = 0;
    const auto refuses = [](std::span<const TensorType>, std::span<const TensorType>, const Attributes&) {
        return std::string("no");
    };
    const KernelDef kernels[] = {
        {.op = "add", .run = [](const Call&) { chosen = 1; }, .refuses = refuses},
        {.op = "add", .run = [](const Call&) { chosen = 2; }},
        {.op = "add", .run = [](const Call&) { chosen = 3; }},
    };
    Running running(kernels);
    running.run({1, 2, 3});
    CHECK(chosen == 2);
    CHECK_FALSE(running.program.steps[0].is_reference);
    CHECK(running.program.steps[1].is_reference);
}

TEST_CASE("a device whose memory the host cannot reach needs a kernel for every op") {
    struct Device final : Backend {
        std::string_view name() const override { return "far"; }
        std::size_t alignment() const override { return 64; }
        bool is_host() const override { return false; }
        Buffer allocate(std::size_t, std::string_view) override { return {}; }
        void upload(void*, const void*, std::size_t) override {}
        void download(void*, const void*, std::size_t) override {}
        void queue_copy(void*, const void*, std::size_t) override {}
        void synchronize() override {}
        std::unique_ptr<Stopwatch> make_stopwatch(std::size_t) override { return nullptr; }
    } device;
    try {
        compile(parse(kText, "g", find_op), {device, {}});
        FAIL_CHECK("compiled without kernels");
    } catch (const Error& error) {
        CHECK(std::string(error.what()) == "add at sum: no kernel on far takes these types");
    }
}

TEST_CASE("a program runs at any size up to its bound, constants stay") {
    Running running(cpu_kernels());
    CHECK(running.run({1, 1, 1}) == std::vector<float>{1.5f, 3});
    CHECK(running.run({0, 1, -2, 10, 2, 0, 0, 0, 0, 1, 1, 1}) ==
          std::vector<float>{0.5f, 0, 10.5f, 4, 0.5f, 0, 1.5f, 3});
    CHECK(running.run({1, 1, 1}) == std::vector<float>{1.5f, 3});
    CHECK(running.run({}).empty());
}

TEST_CASE("a step is told of the weights that the next one reads") {
    const Running running(cpu_kernels());
    const std::span<const std::byte> told = running.executor.call(0).next_weights;
    CHECK(static_cast<const void*>(told.data()) == running.weight);
    CHECK(told.size() == sizeof running.weight);
    CHECK(running.executor.call(1).next_weights.empty());
}

TEST_CASE("a step is told which of its inputs no step writes") {
    const Running running(cpu_kernels());
    CHECK(running.executor.call(0).fixed_inputs == 0b11);  // x, an input; the constant
    CHECK(running.executor.call(1).fixed_inputs == 0b10);  // what the first step has written, the weight
    CHECK_FALSE(running.executor.call(1).is_fixed(0));
    CHECK(running.executor.call(1).is_fixed(1));
    CHECK_FALSE(running.executor.call(1).is_fixed(64));
}

TEST_CASE("a cache may be read early where the steps in front write the rows of the reader's own tokens alone") {
    const auto may_read = [](std::string_view appended, std::string_view positions) {
        const std::string text = fmt::format(R"(graph "a cache"
symbol T <= 4
%q = input f32 [T, 1, 4]
%cache = state f32 [3, 2, 1, 4]
%values = state f32 [3, 2, 1, 4]
%positions = input i32 [T]
%others = input i32 [T]
%sequences = input i32 [T]
%pages = input i32 [1, 3]
%lengths = input i32 [1]
%best = argmax(%q) : i32 [T, 1]
%computed = reshape(%best) {{shape = [T]}} : i32 [T]
%more = mul(%values, %values) : f32 [3, 2, 1, 4]
%next = kv_append(%cache, %q, %positions, %sequences, %pages) : f32 [3, 2, 1, 4]
%last = kv_append(%next, %q, %{}, %sequences, %pages) : f32 [3, 2, 1, 4]
%y = attention(%q, %last, {}, %{}, %sequences, %pages, %lengths) : f32 [T, 4]
return %y
)",
                                             appended, positions == "more" ? "%more" : "%values",
                                             positions == "more" ? "positions" : positions);
        const Graph graph = parse(text, "g", find_op);
        const Node& node = graph.nodes.back();
        std::vector<bool> out;
        for (std::size_t i = 0; i < node.inputs.size(); ++i) out.push_back(may_be_read_early(graph, node, i));
        return out;
    };
    CHECK(may_read("positions", "positions") == std::vector<bool>{true, true, true, true, true, true, true});
    CHECK(may_read("others", "positions") == std::vector<bool>{true, false, true, true, true, true, true});
    CHECK(may_read("positions", "computed") == std::vector<bool>{true, false, false, false, true, true, true});
    CHECK(may_read("positions", "more") == std::vector<bool>{true, true, false, true, true, true, true});
}

TEST_CASE("references in place of kernels give the same, up to rounding: whole models") {
    std::vector<std::int32_t> tokens(12);
    for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<std::int32_t>(3 + 5 * i);
    for (const std::string& name : test::golden_names()) {
        CAPTURE(name);
        test::LoadedModel kernels = test::load_golden(name, test::exact({.context = 32}));
        test::LoadedModel references = test::load_golden(name, test::exact({.context = 32}), 1, {});
        for (const Step& step : references.model.program(Phase::prefill).steps) CHECK(step.is_reference);
        for (std::size_t part = 0; part < 2; ++part) {  // a prefill, a decode step
            const std::span fed = part == 0 ? std::span<const std::int32_t>(tokens) : std::span(tokens).first(1);
            const auto found = kernels.feed(fed), expected = references.feed(fed);
            REQUIRE(found.size() == expected.size());
            float worst = 0;
            for (std::size_t i = 0; i < found.size(); ++i)
                worst = std::max(worst, std::abs(found[i] - expected[i]) / (1 + std::abs(expected[i])));
            CHECK(worst <= 1e-4f);
        }
    }
}

}  // namespace vitro
