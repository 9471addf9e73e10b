// Graph files: read, printed and read again; optimized; compiled with kernels and with references alone, the plan
// checked; and, where they are small, run on made-up inputs: by the references in a plan's memory and by the plain
// interpreter, which must agree in every bit, and by the kernels.
#include "backends/cpu/cpu_backend.h"
#include "graph/check_plan.h"
#include "graph/executor.h"
#include "graph/interpret.h"
#include "graph/synthetic_step.h"
#include "graph/text.h"
#include "ops/op_list.h"
#include "passes/passes.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate_graph.h"

#include <algorithm>
#include <cstring>

using namespace vitro;

namespace {

constexpr std::int64_t kMostBytesToRun = std::int64_t{1} << 20;

CpuBackend& host() {
    static CpuBackend backend(1);
    return backend;
}

bool is_small(const Graph& graph) {
    std::int64_t left = kMostBytesToRun;
    for (const ValueInfo& value : graph.values) {
        const std::int64_t bytes = bytes_of(value.type, graph.bound_values());
        if (bytes > left) return false;
        left -= bytes;
    }
    return graph.nodes.size() < 200;
}

Elements leaf(const ValueInfo& value, const SyntheticStep& step) {
    return leaf_elements(value, step.symbols(), [&](const ValueInfo& info, const Tensor& to) { step.fill(info, to); });
}

/// Results, then next states. `source` is the graph that was compiled and `all` its values: a weight that the load
/// program would prepare is one that the source computes. Nothing where such a one has no counterpart there.
std::vector<Elements> run(const Program& program, const SyntheticStep& step, const Graph& source,
                          const std::vector<Elements>& all) {
    const Graph& graph = program.graph;
    std::vector<Elements> weights;
    std::vector<const void*> addresses;
    for (const ValueId id : graph.values_of(ValueKind::weight)) {
        const ValueId from = source.find(graph.value(id).path);
        if (from < 0) return {};
        weights.push_back(all[static_cast<std::size_t>(from)]);
    }
    for (const Elements& weight : weights) addresses.push_back(weight.data());
    const Buffer states = host().allocate(program.plan.bytes(Region::states), "states"),
                 io = host().allocate(program.plan.bytes(Region::io), "inputs and results"),
                 arena = host().allocate(program.plan.bytes(Region::arena), "the arena");
    Executor executor(program, {{host(), states.data(), io.data(), arena.data()}}, addresses);
    for (std::size_t i = 0; i < graph.values.size(); ++i) {
        const ValueInfo& value = graph.values[i];
        if (value.kind == ValueKind::input || value.kind == ValueKind::state)
            executor.write(static_cast<ValueId>(i), leaf(value, step).data(), step.symbols());
    }
    executor.run(step.symbols());
    std::vector<Elements> out;
    const auto read = [&](ValueId id) {
        out.emplace_back(static_cast<std::size_t>(bytes_of(graph.value(id).type, step.symbols())));
        executor.read(id, out.back().data(), step.symbols());
    };
    for (const ValueId id : graph.results) read(id);
    for (const StateUpdate& update : graph.updates) read(update.next);
    return out;
}

Program compiled(const Graph& graph, std::span<const KernelDef> kernels) {
    Program program = compile(graph, Target{host(), kernels});
    for (const std::string& complaint : check_plan(program)) fuzz::require(false, complaint, print(graph));
    return program;
}

void check_graph(const Graph& graph) {
    const std::string text = print(graph);
    fuzz::require(print(parse(text, "printed", find_op)) == text, "a graph that is another one when it is read again",
                  text);
    fuzz::expect_value_or_error([&] {
        Graph optimized = graph;
        const Target target{host(), cpu_kernels()};
        optimize(optimized, {&target, 1});
        compiled(optimized, cpu_kernels());
    });
    const Program references = compiled(graph, {}), kernels = compiled(graph, cpu_kernels());
    if (!is_small(graph)) return;
    const SyntheticStep step(graph, {}, 1);
    const std::vector<Elements> all =
        interpret(graph, step.symbols(), host(), [&](const ValueInfo& info, const Tensor& to) { step.fill(info, to); });
    run(kernels, step, graph, all);
    // Decomposed ops round in between: only a graph that stays as it is has the same bits.
    if (std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& n) { return n.op->decompose != nullptr; }))
        return;
    const std::vector<Elements> found = run(references, step, graph, all);
    std::vector<ValueId> ends = graph.results;
    for (const StateUpdate& update : graph.updates) ends.push_back(update.next);
    for (std::size_t i = 0; i < found.size(); ++i)
        fuzz::require(all[static_cast<std::size_t>(ends[i])] == found[i], "another result than the graph says", text);
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
    if (seed % 16 == 0) return LLVMFuzzerMutate(data, size, most);
    Random random(seed);
    const std::string text = fuzz::mutate_graph(std::string(reinterpret_cast<const char*>(data), size), random);
    if (text.size() > most) return LLVMFuzzerMutate(data, size, most);
    std::copy(text.begin(), text.end(), data);
    return text.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::expect_value_or_error([&] { check_graph(parse({reinterpret_cast<const char*>(data), size}, "g", find_op)); });
    return 0;
}
