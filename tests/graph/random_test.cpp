// What holds for every program, over thousands of random graphs.
#include "graph/check_plan.h"
#include "graph/load_program.h"
#include "graph/schedule.h"
#include "graph/split_load.h"
#include "graph/text.h"
#include "graph/verify.h"
#include "ops/kv_append/kv_append.h"
#include "ops/op_list.h"
#include "tests/graph/far_device.h"
#include "tests/graph/random_graph.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

namespace vitro::test {
namespace {

constexpr std::uint64_t kGraphs = 2500, kGraphsOfTwoDevices = 1500;

void check_sound(const Program& program) {
    verify(program.graph);
    for (const std::string& complaint : check_plan(program)) FAIL_CHECK(complaint << "\n" << print(program.graph));
}

void check_same(const Contents& expected, const Contents& found, const Program& program) {
    REQUIRE(expected.size() == found.size());
    for (const auto& [what, bytes] : expected)
        CHECK_MESSAGE(bytes == found.at(what), what << " differs\n" << print(program.graph));
}

std::size_t arena_bytes(const Plan& plan) {
    std::size_t bytes = 0;
    for (const DevicePlan& device : plan.devices) bytes += device.bytes(Region::arena);
    return bytes;
}

/// The plan of a program's graph in the order in which it was written.
Plan plan_as_given(const Graph& graph, const Program& program) {
    PlanRequest request;
    request.devices = {{"cpu", 64, true}};
    request.value_devices.resize(graph.values.size());
    request.scratch_bytes.resize(graph.nodes.size());
    VITRO_CHECK(program.plan.devices.size() == 1);
    Graph given = graph;
    reorder(given, schedules(graph, request.scratch_bytes)[0]);
    return make_plan(given, request);
}

TEST_CASE("programs of random graphs compute what the graphs say, in memory that the checker accepts") {
    CpuBackend host(1);
    const Target target{host, {}};  // references, so that every bit is the same
    std::size_t arena = 0, lower_bound = 0, given = 0, reordered = 0, at_load = 0;
    for (std::uint64_t seed = 0; seed < kGraphs; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        const Graph graph = random_graph(random);
        const Program program = compile(graph, target);
        check_sound(program);
        at_load += program.load.nodes.size();
        arena += program.plan.bytes(Region::arena);
        lower_bound += program.plan.arena_lower_bound();
        CHECK(program.plan.bytes(Region::arena) >= program.plan.arena_lower_bound());
        const std::size_t as_given = plan_as_given(graph, program).bytes(Region::arena);
        CHECK(program.plan.bytes(Region::arena) <= as_given);
        given += as_given;
        reordered += as_given != program.plan.bytes(Region::arena);
        const SymbolValues symbols = random_sizes(graph, random);
        const Contents contents = random_contents(graph, symbols, random);
        check_same(run_plainly(graph, symbols, contents), run_program(program, {&target, 1}, symbols, contents),
                   program);
    }
    MESSAGE("arena over lower bound: " << static_cast<double>(arena) / static_cast<double>(lower_bound)
                                       << ", over the given order's: "
                                       << static_cast<double>(arena) / static_cast<double>(given) << ", smaller in "
                                       << reordered << " of " << kGraphs << " graphs");
    CHECK(static_cast<double>(arena) <= 1.02 * static_cast<double>(lower_bound));
    CHECK(reordered > kGraphs / 10);
    CHECK(at_load > kGraphs / 2);
}

TEST_CASE("programs of random graphs on two devices compute what the graphs say") {
    FarDevice far;
    CpuBackend host(1);
    std::vector<KernelDef> kernels(far_kernels().begin(), far_kernels().end());
    std::size_t copies = 0;
    for (std::uint64_t seed = 0; seed < kGraphsOfTwoDevices; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        if (seed == kGraphsOfTwoDevices / 2) kernels.push_back(far_kernel<&kKvAppend>());
        const Target targets[] = {{far, kernels}, {host, {}}};
        const Graph graph = random_graph(random, {.devices = {"cpu"}});
        const Program program = compile(graph, targets);
        check_sound(program);
        copies += static_cast<std::size_t>(std::count_if(program.steps.begin(), program.steps.end(),
                                                         [](const Step& step) { return step.run == nullptr; }));
        const Graph again = parse(print(program.graph), "placed", find_op);
        CHECK(print(again) == print(program.graph));
        check_sound(compile(parse(print(joined(program)), "joined", find_op), targets));
        const SymbolValues symbols = random_sizes(graph, random);
        const Contents contents = random_contents(graph, symbols, random);
        check_same(run_plainly(graph, symbols, contents), run_program(program, targets, symbols, contents), program);
    }
    CHECK(copies > kGraphsOfTwoDevices);
}

/// Compiles careless graphs: each is refused, or computes what it says. Returns how many compile.
std::size_t check_careless(std::span<const Target> targets, const std::vector<std::string>& devices,
                           std::uint64_t graphs) {
    std::map<std::string, std::size_t> refused{{"while it writes over the same memory", 0},
                                               {"expected a value that an op writes into it", 0},
                                               {"reads a value after an op has written over it", 0},
                                               {", too", 0},
                                               {"writes over cache", 0},
                                               {"result ", 0},
                                               {"next state ", 0},
                                               {"weight ", 0},
                                               {"a state without an update", 0}};
    std::size_t compiled = 0;
    for (std::uint64_t seed = 0; seed < graphs; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        const Graph graph = random_graph(random, {devices, true});
        Program program;
        try {
            program = compile(graph, targets);
        } catch (const Error& error) {
            for (auto& [part, count] : refused) count += std::string(error.what()).find(part) != std::string::npos;
            continue;
        }
        ++compiled;
        check_sound(program);
        const SymbolValues symbols = random_sizes(graph, random);
        const Contents contents = random_contents(graph, symbols, random);
        check_same(run_plainly(graph, symbols, contents), run_program(program, targets, symbols, contents), program);
    }
    MESSAGE(compiled << " of " << graphs << " careless graphs compile");
    for (const auto& [part, count] : refused) CHECK_MESSAGE(count > 0, "no graph was refused for \"" << part << '"');
    return compiled;
}

TEST_CASE("careless programs are refused, or compute what their graphs say") {
    FarDevice far;
    CpuBackend host(1);
    const Target alone[] = {{host, {}}};
    CHECK(check_careless(alone, {}, kGraphs) > kGraphs / 4);
    const Target both[] = {{far, far_kernels()}, {host, {}}};
    CHECK(check_careless(both, {"cpu"}, kGraphs / 2) > kGraphs / 8);
}

TEST_CASE("a schedule's peak is near the best that any order reaches") {
    CpuBackend host(1);
    const Target target{host, {}};
    std::size_t found = 0, best = 0, given = 0, graphs = 0;
    for (std::uint64_t seed = 0; graphs < 60; ++seed) {
        Random random(seed);
        const Graph graph = split_load(random_graph(random)).step;
        if (graph.nodes.size() > 7 || graph.nodes.size() < 5) continue;
        ++graphs;
        const Program program = compile_whole(graph, {&target, 1});
        PlanRequest request{{{"cpu", 64, true}}, {}, {}};
        request.value_devices.resize(graph.values.size());
        request.scratch_bytes.resize(graph.nodes.size());
        std::vector<NodeId> order(graph.nodes.size());
        std::iota(order.begin(), order.end(), 0);
        std::size_t least = SIZE_MAX;
        do {
            Graph permuted = graph;
            reorder(permuted, order);
            try {
                verify(permuted);
            } catch (const Error&) {
                continue;  // not an order
            }
            if (schedules(permuted, request.scratch_bytes)[0] != [&] {
                    std::vector<NodeId> same(order.size());
                    std::iota(same.begin(), same.end(), 0);
                    return same;
                }())
                continue;  // reads a cache after it was written over
            least = std::min(least, make_plan(permuted, request).bytes(Region::arena));
        } while (std::next_permutation(order.begin(), order.end()));
        best += least;
        found += arena_bytes(program.plan);
        given += plan_as_given(graph, program).bytes(Region::arena);
        CHECK(arena_bytes(program.plan) >= least);
    }
    MESSAGE("bytes: as given " << given << ", scheduled " << found << ", best " << best);
    CHECK(static_cast<double>(found) <= 1.03 * static_cast<double>(best));
}

}  // namespace
}  // namespace vitro::test
