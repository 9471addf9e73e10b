#include "graph/assign_devices.h"

#include "graph/executor.h"
#include "graph/text.h"
#include "graph/verify.h"
#include "ops/kv_append/kv_append.h"
#include "ops/op_list.h"
#include "tests/graph/far_device.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace vitro::test {
namespace {

/// A far device with kernels of its own, and the host.
struct TwoDevices {
    FarDevice far;
    CpuBackend host{1};
    std::vector<KernelDef> kernels{far_kernels().begin(), far_kernels().end()};

    std::vector<Target> targets() { return {{far, kernels}, {host, cpu_kernels()}}; }
    Graph placed(std::string_view lines) {
        Graph graph = assign_devices(graph_of(lines), targets());
        verify(graph);
        CHECK(print(parse(print(graph), "placed", find_op)) == print(graph));
        CHECK(print(assign_devices(graph, targets())) == print(graph));  // what is placed stays
        return graph;
    }
    static Graph graph_of(std::string_view lines) {
        return parse("graph \"g\"\nsymbol T <= 4\n" + std::string(lines), "g", find_op);
    }
};

std::string lines_of(const Graph& graph) {
    const std::string text = print(graph);
    return text.substr(text.find("%"));
}

TEST_CASE("a node runs on the first device that takes it; where a value crosses stands a copy") {
    TwoDevices devices;
    CHECK(lines_of(devices.placed("%x = input f32 [T, 3]\n%a = add(%x, %x) : f32 [T, 3]\n"
                                  "%b = silu(%a) : f32 [T, 3]\n%c = mul(%b, %a) : f32 [T, 3]\n"
                                  "%d = relu(%a) : f32 [T, 3]\nreturn %c\nreturn %d\n")) ==
          "%x = input f32 [T, 3] @far\n"
          "%a = add(%x, %x) : f32 [T, 3] @far\n"
          "%a.cpu = copy(%a) : f32 [T, 3] @cpu\n"
          "%b = silu(%a.cpu) : f32 [T, 3] @cpu\n"
          "%b.far = copy(%b) : f32 [T, 3] @far\n"
          "%c = mul(%b.far, %a) : f32 [T, 3] @far\n"
          "%d = relu(%a.cpu) : f32 [T, 3] @cpu\n"
          "return %c\nreturn %d\n");
}

TEST_CASE("copies make way for values of the graph that have their paths") {
    TwoDevices devices;
    CHECK(lines_of(devices.placed("%x.cpu = input i32 [T]\n%w = weight f32 [3]\n%w.cpu = input f32 [T, 3]\n"
                                  "%a = add(%w.cpu, %w) : f32 [T, 3]\n%b = silu(%a) : f32 [T, 3]\n"
                                  "%c = layer_norm(%b, %w, bias = %w) : f32 [T, 3]\n%a.cpu = relu(%c) : f32 [T, 3]\n"
                                  "return %a.cpu\n")) ==
          "%x.cpu = input i32 [T] @far\n"
          "%w = weight f32 [3] @far\n"
          "%w.cpu.1 = weight f32 [3] @cpu from w\n"
          "%w.cpu = input f32 [T, 3] @far\n"
          "%a = add(%w.cpu, %w) : f32 [T, 3] @far\n"
          "%a.cpu.1 = copy(%a) : f32 [T, 3] @cpu\n"
          "%b = silu(%a.cpu.1) : f32 [T, 3] @cpu\n"
          "%c = layer_norm(%b, %w.cpu.1, bias = %w.cpu.1) : f32 [T, 3] @cpu\n"
          "%a.cpu = relu(%c) : f32 [T, 3] @cpu\n"
          "return %a.cpu\n");
}

TEST_CASE("weights and constants used on two devices become two; inputs are copied, or live where their users are") {
    TwoDevices devices;
    CHECK(lines_of(
              devices.placed("%x = input f32 [T, 3]\n%y = input f32 [T, 3]\n%w = weight f32 [3]\n"
                             "%h = weight f32 [3] from a\n%k = constant f32 [3] {1, 2, 3}\n"
                             "%a = mul(%x, %w) : f32 [T, 3]\n%b = layer_norm(%y, %w, bias = %k) : f32 [T, 3]\n"
                             "%c = silu(%x) : f32 [T, 3]\n%e = mul(%a, %k) : f32 [T, 3]\n"
                             "%f = layer_norm(%c, %h, bias = %h) : f32 [T, 3]\nreturn %b\nreturn %e\nreturn %f\n")) ==
          "%x = input f32 [T, 3] @far\n"
          "%y = input f32 [T, 3] @cpu\n"
          "%w = weight f32 [3] @far\n"
          "%w.cpu = weight f32 [3] @cpu from w\n"
          "%h = weight f32 [3] @cpu from a\n"
          "%k = constant f32 [3] @far {1, 2, 3}\n"
          "%k.cpu = constant f32 [3] @cpu {1, 2, 3}\n"
          "%a = mul(%x, %w) : f32 [T, 3] @far\n"
          "%b = layer_norm(%y, %w.cpu, bias = %k.cpu) : f32 [T, 3] @cpu\n"
          "%x.cpu = copy(%x) : f32 [T, 3] @cpu\n"
          "%c = silu(%x.cpu) : f32 [T, 3] @cpu\n"
          "%e = mul(%a, %k) : f32 [T, 3] @far\n"
          "%f = layer_norm(%c, %h, bias = %h) : f32 [T, 3] @cpu\n"
          "return %b\nreturn %e\nreturn %f\n");
}

constexpr std::string_view kCache =
    "symbol S <= 2\nsymbol C <= 8\n%k = input f32 [T, 2, 4]\n%p = input i32 [T]\n%s = input i32 [T]\n"
    "%t = input i32 [S, 2]\n%l = input i32 [S]\n%cache = state f32 [4, 4, 2, 4]\n%double = add(%k, %k) : f32 [T, 2, "
    "4]\n"
    "%next = kv_append(%cache, %double, %p, %s, %t) : f32 [4, 4, 2, 4]\n"
    "%all = kv_gather(%next, %t, %l) : f32 [C, 2, 4]\nreturn %all\nupdate %cache = %next\n";

TEST_CASE("a state lives where it is written; a reader on another device gets a copy") {
    TwoDevices devices;
    Graph graph = devices.placed(kCache);
    CHECK(device_of(graph, graph.find("cache")) == "cpu");
    CHECK(device_of(graph, graph.find("next")) == "cpu");
    CHECK(device_of(graph, graph.find("double")) == "far");
    CHECK(device_of(graph, graph.find("t")) == "cpu");
    CHECK(graph.find("double.cpu") >= 0);

    devices.kernels.push_back(far_kernel<&kKvAppend>());
    graph = devices.placed(kCache);
    CHECK(device_of(graph, graph.find("cache")) == "far");
    CHECK(device_of(graph, graph.find("next")) == "far");
    CHECK(device_of(graph, graph.find("next.cpu")) == "cpu");
    CHECK(device_of(graph, graph.find("all")) == "cpu");
}

TEST_CASE("a node that names its device runs there; views stay with their memory") {
    TwoDevices devices;
    CHECK(lines_of(devices.placed("%x = input f32 [T, 4]\n%a = add(%x, %x) : f32 [T, 4] @cpu\n"
                                  "%v = reshape(%a) {shape = [T, 2, 2]} : f32 [T, 2, 2]\n"
                                  "%b = mul(%v, %v) : f32 [T, 2, 2]\nreturn %b\n")) ==
          "%x = input f32 [T, 4] @cpu\n%a = add(%x, %x) : f32 [T, 4] @cpu\n"
          "%v = reshape(%a) {shape = [T, 2, 2]} : f32 [T, 2, 2] @cpu\n"
          "%v.far = copy(%v) : f32 [T, 2, 2] @far\n%b = mul(%v.far, %v.far) : f32 [T, 2, 2] @far\nreturn %b\n");
    CHECK_THROWS_WITH_AS(devices.placed("%x = input f32 [T, 4]\n%a = silu(%x) : f32 [T, 4] @far\nreturn %a\n"),
                         "silu at a: no kernel on far takes these types", Error);
    CHECK_THROWS_WITH_AS(devices.placed("%x = input f32 [T, 4]\n%a = silu(%x) : f32 [T, 4] @near\nreturn %a\n"),
                         "no device is called 'near'; there are far, cpu", Error);
    CHECK_THROWS_WITH_AS(devices.placed("%x = input f32 [T, 4] @far\n%a = silu(%x) : f32 [T, 4] @cpu\nreturn %a\n"),
                         "g: silu at a: expected inputs on cpu, found x on far", Error);
}

/// A program of two devices with its memory.
struct Running {
    TwoDevices& devices;
    Program program;
    std::vector<Buffer> buffers;
    Executor executor;

    Running(TwoDevices& on, std::string_view lines)
        : devices(on),
          program(compile(TwoDevices::graph_of(lines), on.targets())),
          executor(program, memory(), std::vector<const void*>{}) {}

    std::vector<Memory> memory() {
        std::vector<Memory> out;
        for (std::size_t device = 0; device < 2; ++device) {
            Backend& backend = devices.targets()[device].backend;
            const std::size_t first = buffers.size();
            for (const Region region : {Region::states, Region::io, Region::arena})
                buffers.push_back(backend.allocate(program.plan.bytes(region, device), "a region"));
            out.push_back({backend, buffers[first].data(), buffers[first + 1].data(), buffers[first + 2].data()});
        }
        return out;
    }
};

TEST_CASE("a program of two devices computes, with each in memory of its own") {
    TwoDevices devices;
    Running running(devices,
                    "%x = input f32 [T, 2]\n%k = constant f32 [2] {1, 10}\n%a = add(%x, %k) : f32 [T, 2]\n"
                    "%b = relu(%a) : f32 [T, 2]\n%c = mul(%b, %k) : f32 [T, 2]\n%d = relu(%c) : f32 [T, 2]\n"
                    "%e = add(%d, %k) : f32 [T, 2]\nreturn %e\nreturn %d\n");
    CHECK(running.program.plan.devices.size() == 2);
    for (std::size_t device = 0; device < 2; ++device) CHECK(running.program.plan.bytes(Region::arena, device) > 0);
    CHECK(std::count_if(running.program.steps.begin(), running.program.steps.end(),
                        [](const Step& step) { return step.run == nullptr; }) == 4);
    SymbolValues symbols;
    for (const std::int64_t rows : {1, 2, 0, 4}) {
        symbols['T'] = rows;
        std::vector<float> x(static_cast<std::size_t>(2 * rows)), expected = x, found = x;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const float k = i % 2 == 0 ? 1.0f : 10.0f;
            x[i] = static_cast<float>(i) - 4;
            expected[i] = std::max(x[i] + k, 0.0f) * k + k;
        }
        running.executor.write(running.program.graph.find("x"), x.data(), symbols);
        running.executor.run(symbols);
        running.executor.read(running.program.graph.find("e"), found.data(), symbols);
        CHECK(found == expected);
    }
}

}  // namespace
}  // namespace vitro::test
