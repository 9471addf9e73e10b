// An example of a plugin with a CUDA kernel: the op cube, x³. One file, compiled by nvcc for a GPU or, against the
// emulation, by the C++ compiler (CONTRIBUTING.md). A kernel for the CPU would stand in a .cpp file of the same
// library: nvcc does not take its vectors.
#include "ops/common/elementwise.h"
#include "ops/common/map_cuda.h"
#include "ops/mul/mul.h"
#include "passes/plugin.h"

namespace vitro {
namespace {

void reference(const Call& call) {
    elementwise_reference(call, [](double x) { return x * x * x; });
}

std::vector<Value> decompose(Builder& b, std::span<const Value> inputs, const Attributes&) {
    return {mul(b, mul(b, inputs[0], inputs[0]), inputs[0])};
}

const OpDef kCube{
    .name = "cube",
    .doc = "out = x * x * x, elementwise.",
    .inputs = {"x"},
    .infer = infer_elementwise,
    .reference = reference,
    .cost = [](const Call& call) { return elementwise_cost(call, 2); },
    .examples = elementwise_examples,
    .in_place = 0,
    .decompose = decompose,
};

}  // namespace

namespace VITRO_DEVICE {
namespace {

struct Cube {
    __device__ float operator()(float x) const { return x * x * x; }
};

void run(const Call& call) { map_cuda(call, "cube", Cube{}); }

const KernelDef kCubeCuda{.op = "cube", .run = run};

}  // namespace
}  // namespace VITRO_DEVICE
}  // namespace vitro

extern "C" const vitro::PluginVersion vitro_plugin_version{};
extern "C" const vitro::Plugin& vitro_plugin() {
    static const vitro::Plugin plugin{
        .name = "cube",
        .ops = {&vitro::kCube},
        .gpu = vitro::VITRO_DEVICE::kDeviceName,
        .gpu_kernels = {vitro::VITRO_DEVICE::kCubeCuda},
    };
    return plugin;
}
