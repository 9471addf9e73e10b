// What depends on weights alone leaves the step's program, and is made once for all programs of a model.
#include "graph/load_program.h"

#include "graph/check_plan.h"
#include "graph/executor.h"
#include "graph/prepared_weights.h"
#include "graph/split_load.h"
#include "graph/text.h"
#include "ops/concat/concat.h"
#include "ops/op_list.h"
#include "tests/graph/far_device.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

namespace vitro::test {
namespace {

/// Two weights joined and scaled, a view of a weight, and a weight as it is.
constexpr std::string_view kText = R"(graph "g"
symbol T <= 4
%x = input f32 [T, 16]
%a = weight f32 [4, 16]
%b = weight f32 [8, 16]
%c = weight f32 [2, 8]
%two = constant f32 [1] {2}
%ab = concat(%a, %b) {axis = 0} : f32 [12, 16]
%twice = mul(%ab, %two) : f32 [12, 16]
%flat = reshape(%c) {shape = [16]} : f32 [16]
%y = matmul(%x, %twice) {transpose_b = true} : f32 [T, 12]
%z = mul(%x, %flat) : f32 [T, 16]
return %y
return %z
)";

Graph graph_of(std::string_view text) { return parse(text, "g", find_op); }

std::vector<std::string> ops_of(const Graph& graph) {
    std::vector<std::string> out;
    for (const Node& node : graph.nodes) out.emplace_back(node.op->name);
    return out;
}

/// Floats 0, 1, 2, … for every weight, and what was released of them.
struct Tensors {
    std::map<std::string, std::vector<float>> all;
    std::vector<std::string> released;

    PreparedWeights::Tensors get() {
        return {[this](const ValueInfo& weight) -> const void* {
                    std::vector<float>& floats = all[weight.source];
                    floats.resize(static_cast<std::size_t>(bytes_of(weight.type, {})) / sizeof(float));
                    for (std::size_t i = 0; i < floats.size(); ++i) floats[i] = static_cast<float>(i);
                    return floats.data();
                },
                [this](const ValueInfo& weight) { released.push_back(weight.source); }};
    }
};

TEST_CASE("what depends on weights alone is split off; views and the rest stay") {
    const SplitGraph split = split_load(graph_of(kText));
    CHECK(ops_of(split.load) == std::vector<std::string>{"concat", "mul"});
    CHECK(ops_of(split.step) == std::vector<std::string>{"reshape", "matmul", "mul"});
    REQUIRE(split.load.results.size() == 1);
    CHECK(split.load.value(split.load.results[0]).path == "twice");
    const ValueInfo& prepared = split.step.value(split.step.find("twice"));
    CHECK(prepared.kind == ValueKind::weight);
    CHECK(prepared.prepared);
    CHECK(split.step.find("a") == -1);
    CHECK(split.step.find("ab") == -1);
    CHECK_FALSE(split.step.value(split.step.find("c")).prepared);
}

TEST_CASE("a node that names a device, writes a state or depends on an input is no load node") {
    const Graph graph = graph_of(R"(graph "g"
symbol T <= 4
%x = input f32 [4]
%w = weight f32 [4]
%named = add(%w, %w) : f32 [4] @cpu
%after = add(%named, %w) : f32 [4]
%sum = add(%w, %x) : f32 [4]
return %after
return %sum
)");
    CHECK(load_nodes(graph) == std::vector<bool>{false, false, false});
}

TEST_CASE("a result that depends on weights alone is a prepared weight of the step") {
    CpuBackend cpu(1);
    const Target target{cpu, cpu_kernels()};
    const Program program =
        compile(graph_of("graph \"g\"\n%w = weight f32 [2]\n%y = add(%w, %w) : f32 [2]\nreturn %y\n"), target);
    CHECK(program.steps.empty());
    const Program* const programs[] = {&program};
    const LoadProgram load(programs, {&target, 1});
    PreparedWeights weights(load, {&target, 1});
    Tensors tensors;
    weights.make(tensors.get());
    Executor executor(program, {{cpu, nullptr, nullptr, nullptr}}, weights.addresses(program));
    executor.run({});
    std::vector<float> y(2);
    executor.read(program.graph.results[0], y.data(), {});
    CHECK(y == std::vector<float>{0, 2});
}

TEST_CASE("a program with its load nodes again is what was compiled, as text, too") {
    CpuBackend cpu(1);
    const Program program = compile(graph_of(kText), {cpu, cpu_kernels()});
    const Graph whole = joined(program);
    std::vector<std::string> ops = ops_of(whole);
    CHECK(ops.size() == program.load.nodes.size() + program.graph.nodes.size());
    CHECK(std::find(ops.begin(), ops.end(), "concat") < std::find(ops.begin(), ops.end(), "matmul"));
    const SplitGraph again = split_load(graph_of(print(whole)));
    CHECK(ops_of(again.load) == ops_of(program.load));
    CHECK(ops_of(again.step).size() == program.graph.nodes.size());
    CHECK_THROWS_WITH_AS(compile(graph_of(print(program.graph)), {cpu, cpu_kernels()}),
                         "weight twice: twice is made by a load program, which this graph does not have", Error);
}

TEST_CASE("two programs of a model share what they both prepare") {
    CpuBackend cpu(1);
    const Target target{cpu, cpu_kernels()};
    const Program one = compile(graph_of(kText), target);
    Graph other = graph_of(R"(graph "other"
%x = input f32 [2, 16]
%a = weight f32 [4, 16]
%b = weight f32 [8, 16]
%c = weight f32 [2, 8]
%half = constant f32 [1] {0.5}
%two = constant f32 [1] {2}
%joined = concat(%a, %b) {axis = 0} : f32 [12, 16]
%doubled = mul(%joined, %two) : f32 [12, 16]
%halved = mul(%joined, %half) : f32 [12, 16]
%y = matmul(%x, %doubled) {transpose_b = true} : f32 [2, 12]
%z = matmul(%x, %halved) {transpose_b = true} : f32 [2, 12]
return %y
return %z
)");
    const Program two = compile(std::move(other), target);
    const Program* const programs[] = {&one, &two};
    const LoadProgram load(programs, {&target, 1});
    require_sound(load.program());
    CHECK(ops_of(load.program().graph) == std::vector<std::string>{"concat", "mul", "mul"});
    const auto path = [&](const Program& program, std::string_view weight) {
        const std::vector<ValueId> ids = program.graph.values_of(ValueKind::weight);
        const std::vector<ValueId> loaded = load.weights_of(program);
        const auto at = std::find(ids.begin(), ids.end(), program.graph.find(weight)) - ids.begin();
        return load.program().graph.value(loaded.at(static_cast<std::size_t>(at))).path;
    };
    CHECK(path(one, "twice") == path(two, "doubled"));
    CHECK(path(one, "twice") != path(two, "halved"));
    CHECK(path(one, "c") == "c");
}

TEST_CASE("tensors are released when nothing reads them any more, mapped ones never") {
    CpuBackend cpu(1);
    const Target target{cpu, cpu_kernels()};
    const Program program = compile(graph_of(kText), target);
    const Program* const programs[] = {&program};
    const LoadProgram load(programs, {&target, 1});
    PreparedWeights weights(load, {&target, 1});
    Tensors tensors;
    std::size_t most = 0;
    weights.make(tensors.get(), [&](std::size_t done, std::size_t all) {
        CHECK(done <= all);
        most = std::max(most, done);
    });
    CHECK(tensors.released == std::vector<std::string>{"a", "b"});
    CHECK(most == 2 * 12 * 16 * sizeof(float));  // the concat and the product
    const std::vector<const void*> addresses = weights.addresses(program);
    const std::vector<ValueId> ids = program.graph.values_of(ValueKind::weight);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const auto* floats = static_cast<const float*>(addresses[i]);
        if (program.graph.value(ids[i]).path == "c") {
            CHECK(floats == tensors.all.at("c").data());
        } else {
            CHECK(floats[1] == 2);
            CHECK(floats[4 * 16 + 5] == 10);
        }
    }
}

constexpr std::string_view kJoined = R"(graph "g"
%x = input f32 [2, 16]
%a = weight f32 [4, 16]
%b = weight f32 [8, 16]
%two = constant f32 [1] {2}
%a2 = mul(%a, %two) : f32 [4, 16]
%b2 = mul(%b, %two) : f32 [8, 16]
%ab = concat(%a2, %b2) {axis = 0} : f32 [12, 16]
%y = matmul(%x, %ab) {transpose_b = true} : f32 [2, 12]
return %y
)";

TEST_CASE("a tensor is released when no view of it is read any more") {
    CpuBackend cpu(1);
    const Target target{cpu, cpu_kernels()};
    const Program program = compile(graph_of(R"(graph "g"
%w = weight f32 [4]
%view = reshape(%w) {shape = [2, 2]} : f32 [2, 2]
%view_of_view = reshape(%view) {shape = [4, 1]} : f32 [4, 1]
%first = add(%view, %view) : f32 [2, 2]
%second = add(%w, %w) : f32 [4]
%third = mul(%view_of_view, %view_of_view) : f32 [4, 1]
return %first
return %second
return %third
)"),
                                    target);
    const Program* const programs[] = {&program};
    const LoadProgram load(programs, {&target, 1});
    PreparedWeights weights(load, {&target, 1});
    Tensors tensors;
    PreparedWeights::Tensors given = tensors.get();
    given.release = [&](const ValueInfo& weight) {
        tensors.released.push_back(weight.source);
        std::ranges::fill(tensors.all.at(weight.source), -1.0f);  // who reads it now, reads something else
    };
    weights.make(given);
    CHECK(tensors.released == std::vector<std::string>{"w"});
    Executor executor(program, {{cpu, nullptr, nullptr, nullptr}}, weights.addresses(program));
    executor.run({});
    const std::vector<float> expected[] = {{0, 2, 4, 6}, {0, 2, 4, 6}, {0, 1, 4, 9}};
    for (std::size_t i = 0; i < 3; ++i) {
        std::vector<float> found(4);
        executor.read(program.graph.results[i], found.data(), {});
        CHECK(found == expected[i]);
    }
}

TEST_CASE("what is joined is computed in its place: nothing but the result is allocated") {
    CpuBackend cpu(1);
    const Target target{cpu, cpu_kernels()};
    const Program program = compile(graph_of(kJoined), target);
    const Program* const programs[] = {&program};
    LoadProgram load(programs, {&target, 1});
    Program loading = load.program();
    CHECK(loading.plan.bytes(Region::arena) == 0);
    const Place whole = loading.plan.place(loading.graph.find("ab")),
                first = loading.plan.place(loading.graph.find("a2")),
                second = loading.plan.place(loading.graph.find("b2"));
    CHECK(whole.region == Region::io);
    CHECK(first.offset == whole.offset);
    CHECK(second.offset == whole.offset + first.bytes);
    CHECK(check_plan(loading).empty());

    PreparedWeights weights(load, {&target, 1});
    Tensors tensors;
    weights.make(tensors.get());
    const auto* floats = static_cast<const float*>(weights.addresses(program)[0]);
    CHECK(floats[63] == 126);
    CHECK(floats[64 + 127] == 254);

    // Anywhere else within the output it would be overwritten.
    Place& moved = loading.plan.values[static_cast<std::size_t>(loading.graph.find("b2"))];
    moved.offset -= 64;
    const std::vector<std::string> complaints = check_plan(loading);
    CHECK(std::any_of(complaints.begin(), complaints.end(), [](const std::string& complaint) {
        return complaint.find("lies over input b2") != std::string::npos;
    }));
}

TEST_CASE("what is read twice, or would not be aligned in its place, is joined by a copy") {
    CpuBackend cpu(1);
    const Target target{cpu, cpu_kernels()};
    const auto arena = [&](std::string_view text) {
        const Program program = compile(graph_of(text), target);
        const Program* const programs[] = {&program};
        const LoadProgram load(programs, {&target, 1});
        require_sound(load.program());
        PreparedWeights weights(load, {&target, 1});
        Tensors tensors;
        weights.make(tensors.get());
        const auto* floats = static_cast<const float*>(weights.addresses(program)[0]);
        CHECK(floats[0] == 0);
        CHECK(floats[1] == 2);
        return load.program().plan.bytes(Region::arena);
    };
    CHECK(arena("graph \"g\"\n%x = input f32 [16]\n%a = weight f32 [8]\n%a2 = add(%a, %a) : f32 [8]\n"
                "%j = concat(%a2, %a2) {axis = 0} : f32 [16]\n%y = mul(%x, %j) : f32 [16]\nreturn %y\n") == 64);
    CHECK(arena("graph \"g\"\n%x = input f32 [5]\n%a = weight f32 [2]\n%b = weight f32 [3]\n"
                "%a2 = add(%a, %a) : f32 [2]\n%b2 = add(%b, %b) : f32 [3]\n"
                "%j = concat(%a2, %b2) {axis = 0} : f32 [5]\n%y = mul(%x, %j) : f32 [5]\nreturn %y\n") == 64);
}

TEST_CASE("on a device of its own, joined tensors are copied straight to their places") {
    FarDevice far;
    CpuBackend host(1);
    std::vector<KernelDef> kernels(far_kernels().begin(), far_kernels().end());
    kernels.push_back(far_kernel<&kConcat>());
    const Target targets[] = {{far, kernels}, {host, cpu_kernels()}};
    const Program program = compile(graph_of(R"(graph "g"
%x = input f32 [2, 64]
%a = weight f32 [4, 64]
%b = weight f32 [8, 64]
%n = weight f32 [64]
%ab = concat(%a, %b) {axis = 0} : f32 [12, 64]
%z = mul(%x, %n) : f32 [2, 64]
%y = matmul(%z, %ab) {transpose_b = true} : f32 [2, 12]
return %y
)"),
                                    targets);
    const Program* const programs[] = {&program};
    const LoadProgram load(programs, targets);
    require_sound(load.program());
    CHECK(load.program().plan.bytes(Region::arena, 0) == 0);
    CHECK(load.program().plan.bytes(Region::arena, 1) == 0);
    CHECK(load.program().plan.bytes(Region::io, 0) == 13 * 64 * sizeof(float));
    CHECK(load.program().plan.bytes(Region::io, 1) == 0);
    PreparedWeights weights(load, targets);
    Tensors tensors;
    weights.make(tensors.get());
    CHECK(far.uploads == 3);
    CHECK(std::set<std::string>(tensors.released.begin(), tensors.released.end()) ==
          std::set<std::string>{"a", "b", "n"});
    CHECK(far.staging_bytes() == 0);
    const std::vector<ValueId> ids = program.graph.values_of(ValueKind::weight);
    const std::vector<const void*> addresses = weights.addresses(program);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const auto* floats = static_cast<const float*>(FarDevice::reached(addresses[i]));
        CHECK(floats[63] == 63);
        if (program.graph.value(ids[i]).path == "ab") CHECK(floats[4 * 64 + 7] == 7);
    }
}

TEST_CASE("without the host nothing can be loaded") {
    FarDevice far;
    const Target target{far, far_kernels()};
    const Program program = compile(
        graph_of("graph \"g\"\n%x = input f32 [4]\n%w = weight f32 [4]\n%y = add(%x, %w) : f32 [4]\nreturn %y\n"),
        target);
    const Program* const programs[] = {&program};
    CHECK_THROWS_WITH_AS(LoadProgram(programs, {&target, 1}),
                         "loading weights: expected the host as the last device, found far", Error);
}

TEST_CASE("joining weights that do not fit each other is an error of types") {
    const auto refuse = [](std::string_view weights, std::string_view joined) {
        try {
            graph_of(fmt::format("graph \"g\"\n{}%j = concat(%a, %b) {{axis = 0}} : {}\nreturn %j\n", weights, joined));
            return std::string("accepted");
        } catch (const Error& error) {
            return std::string(error.what());
        }
    };
    const auto has = [](const std::string& text, std::string_view part) {
        return text.find(part) != std::string::npos;
    };
    CHECK(refuse("%a = weight f32 [2, 4]\n%b = weight f32 [3, 4]\n", "f32 [5, 4]") == "accepted");
    CHECK(has(refuse("%a = weight f32 [2, 4]\n%b = weight f32 [3, 5]\n", "f32 [5, 4]"), "concat at j"));
    CHECK(has(refuse("%a = weight f32 [2, 4]\n%b = weight bf16 [3, 4]\n", "f32 [5, 4]"), "concat at j"));
    CHECK(has(refuse("%a = weight f32 []\n%b = weight f32 []\n", "f32 [2]"), "concat at j"));
}

}  // namespace
}  // namespace vitro::test
