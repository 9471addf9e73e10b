#include "ops/rms_norm/rms_norm.h"

#include "backends/cuda/reduce.h"
#include "ops/common/elements_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// One block a row of n elements; out may be x.
__global__ void rms_norm_kernel(Elements x, Elements weight, Elements out, int n, float eps, bool wide) {
    VITRO_SHARED(float, partial, 32);
    const std::int64_t row = std::int64_t(blockIdx.x) * n;
    float squares = 0.0f;
    each_in_row(n, wide, [&](int i, auto count) {
        for (const float value : load<count.value>(x, row + i).at) squares += value * value;
    });
    const float scale = 1.0f / sqrtf(reduce_block(squares, partial, Sum{}) / float(n) + eps);
    each_in_row(n, wide, [&](int i, auto count) {
        auto values = load<count.value>(x, row + i);
        const auto weights = load<count.value>(weight, i);
        for (int k = 0; k < count.value; ++k) values.at[k] *= scale * weights.at[k];
        store(out, row + i, values);
    });
}

void run(const Call& call) {
    const Tensor &x = call.in(0), &weight = call.in(1), &out = call.out();
    if (x.elements() == 0) return;
    const int n = kernel_int(x.dim(-1));
    const bool wide = takes_wide({&x, &weight, &out}, n);
    launch(rms_norm_kernel,
           {.name = "rms_norm",
            .grid = unsigned(kernel_int(x.rows())),
            .block = row_threads(n, wide),
            .stream = stream_of(call)},
           elements_of(x), elements_of(weight), elements_of(out), n, call.attributes.as<RmsNorm>().eps, wide);
}

}  // namespace

extern const KernelDef kRmsNormCuda{.op = "rms_norm", .run = run};

}  // namespace vitro::VITRO_DEVICE
