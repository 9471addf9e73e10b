#include "ops/add_rms_norm/add_rms_norm.h"

#include "backends/cuda/ptx.h"
#include "ops/rms_norm/rms_norm_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// A block a row. A thread reads back what it has stored itself: the norm sees the sum as it is rounded. sum may be x.
__global__ void add_rms_norm_kernel(Elements x, Elements y, Elements weight, Elements sum, Elements normed, int n,
                                    float eps, bool wide) {
    VITRO_SHARED(float, partial, 32);
    allow_next_kernel();
    wait_for_previous_kernel();
    const std::int64_t row = std::int64_t(blockIdx.x) * n;
    float squares = 0.0f;
    each_in_row(n, wide, [&](int i, auto count) {
        auto values = load<count.value>(x, row + i);
        const auto others = load<count.value>(y, row + i);
        for (int k = 0; k < count.value; ++k) values.at[k] += others.at[k];
        store(sum, row + i, values);
        for (const float value : load<count.value>(sum, row + i).at) squares += value * value;
    });
    store_normed(sum, weight, normed, row, n, squares, partial, eps, wide);
}

void run(const Call& call) {
    const Tensor &x = call.in(0), &y = call.in(1), &weight = call.in(2), &sum = call.out(0), &normed = call.out(1);
    if (x.elements() == 0) return;
    const int n = kernel_int(x.dim(-1));
    const bool wide = takes_wide({&x, &y, &weight, &sum, &normed}, n);
    launch(add_rms_norm_kernel,
           {.name = "add_rms_norm",
            .grid = unsigned(kernel_int(x.rows())),
            .block = row_threads(n, wide),
            .stream = stream_of(call),
            .programmatic = true},
           elements_of(x), elements_of(y), elements_of(weight), elements_of(sum), elements_of(normed), n,
           call.attributes.as<RmsNorm>().eps, wide);
}

}  // namespace

extern const KernelDef kAddRmsNormCuda{.op = "add_rms_norm", .run = run};

}  // namespace vitro::VITRO_DEVICE
