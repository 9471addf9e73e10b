#include "ops/expert_linear/expert_linear.h"

#include "backends/cuda/reduce.h"
#include "ops/common/elements_cuda.h"
#include "ops/common/refuse_blocks.h"

namespace vitro::VITRO_DEVICE {
namespace {

constexpr int kWarps = 8;  // of a block, one for each row of a matrix

struct Sizes {
    int choices;  // experts that a token chooses
    int experts, n, k;
    bool x_is_matrix;  // one row of x for all choices of a token
    bool wide;
};

/// Block (choice, rows of the matrix); a warp for each output.
__global__ void expert_linear_kernel(Elements x, Elements weight, const std::int32_t* experts, Elements bias,
                                     Elements out, Sizes sizes) {
    const int row = int(blockIdx.y) * kWarps + int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
    const int choice = int(blockIdx.x);
    if (row >= sizes.n) return;
    const int expert = experts[choice];
    const bool is_there = expert >= 0 && expert < sizes.experts;
    float sum = is_there ? 0.0f : NAN;
    if (is_there) {
        const std::int64_t from = std::int64_t(sizes.x_is_matrix ? choice / sizes.choices : choice) * sizes.k;
        const std::int64_t matrix_row = std::int64_t(expert) * sizes.n + row;
        if (sizes.wide) {
            for (int i = lane * kWide; i < sizes.k; i += 32 * kWide) {
                const auto a = load<kWide>(x, from + i), b = load<kWide>(weight, matrix_row * sizes.k + i);
                for (int e = 0; e < kWide; ++e) sum += a.at[e] * b.at[e];
            }
        } else {
            for (int i = lane; i < sizes.k; i += 32)
                sum += load<1>(x, from + i).at[0] * load<1>(weight, matrix_row * sizes.k + i).at[0];
        }
        sum = reduce_warp(sum, Sum{});
        if (bias.data != nullptr) sum += load<1>(bias, matrix_row).at[0];
    }
    if (lane == 0) store<1>(out, std::int64_t(choice) * sizes.n + row, {sum});
}

void run(const Call& call) {
    const Tensor &x = call.in(ExpertLinear::kX), &weight = call.in(ExpertLinear::kWeight),
                 &experts = call.in(ExpertLinear::kExperts), &out = call.out();
    if (out.elements() == 0) return;
    const Sizes sizes{kernel_int(experts.dim(1)),
                      kernel_int(weight.dim(0)),
                      kernel_int(weight.dim(1)),
                      kernel_int(weight.dim(2)),
                      x.rank == 2,
                      takes_wide({&x, &weight}, weight.dim(2))};
    launch(expert_linear_kernel,
           {.name = "expert_linear",
            .grid = {unsigned(kernel_int(experts.elements())), blocks_for(sizes.n, kWarps)},
            .block = kWarps * 32,
            .stream = stream_of(call)},
           elements_of(x), elements_of(weight), experts.as<std::int32_t>(),
           call.has(ExpertLinear::kBias) ? elements_of(call.in(ExpertLinear::kBias)) : Elements{nullptr, DType::f32},
           elements_of(out), sizes);
}

}  // namespace

extern const KernelDef kExpertLinearCuda{.op = "expert_linear", .run = run, .refuses = refuse_blocks};

}  // namespace vitro::VITRO_DEVICE
