#include "ops/common/elements_cuda.h"
#include "ops/position_scale/position_scale.h"

namespace vitro::VITRO_DEVICE {
namespace {

constexpr int kThreads = 128;

__global__ void position_scale_kernel(const std::int32_t* positions, float* out, int tokens, float beta, int original) {
    const int token = int(blockIdx.x) * kThreads + int(threadIdx.x);
    if (token < tokens) out[token] = 1.0f + beta * log1pf(float(positions[token] / original));
}

void run(const Call& call) {
    const auto [beta, original] = call.attributes.as<PositionScale>();
    const int tokens = kernel_int(call.out().elements());
    if (tokens == 0) return;
    launch(position_scale_kernel,
           {.name = "position_scale",
            .grid = unsigned((tokens + kThreads - 1) / kThreads),
            .block = kThreads,
            .stream = stream_of(call)},
           call.in(0).as<std::int32_t>(), call.out().as<float>(), tokens, beta, kernel_int(original));
}

}  // namespace

extern const KernelDef kPositionScaleCuda{.op = "position_scale", .run = run};

}  // namespace vitro::VITRO_DEVICE
