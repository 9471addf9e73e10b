#include "ops/softmax/softmax.h"

#include "backends/cuda/reduce.h"
#include "ops/common/elements_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// One block a row of n elements; out may be x.
__global__ void softmax_kernel(Elements x, Elements sinks, Elements out, int n, int rows_per_sink, bool wide) {
    VITRO_SHARED(float, partial, 64);
    const std::int64_t row = std::int64_t(blockIdx.x) * n;
    float largest = -INFINITY;
    each_in_row(n, wide, [&](int i, auto count) {
        for (const float value : load<count.value>(x, row + i).at) largest = fmaxf(largest, value);
    });
    const float sink = sinks.data == nullptr ? -INFINITY : load<1>(sinks, blockIdx.x / unsigned(rows_per_sink)).at[0];
    largest = fmaxf(reduce_block(largest, partial, Maximum{}), sink);
    const bool masked = largest == -INFINITY;  // nothing but -inf, whose sum is 0 then, and NaN
    float sum = 0.0f;
    each_in_row(n, wide, [&](int i, auto count) {
        for (const float value : load<count.value>(x, row + i).at)
            sum += masked ? (value == value ? 0.0f : value) : expf(value - largest);
    });
    sum = reduce_block(sum, partial + 32, Sum{});
    sum += masked ? (sink == sink ? 0.0f : sink) : expf(sink - largest);
    const float scale = masked ? sum : 1.0f / sum;
    each_in_row(n, wide, [&](int i, auto count) {
        auto values = load<count.value>(x, row + i);
        for (float& value : values.at) value = masked ? scale : expf(value - largest) * scale;
        store(out, row + i, values);
    });
}

void run(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    if (x.elements() == 0) return;
    const int n = kernel_int(x.dim(-1));
    const bool wide = takes_wide({&x, &out}, n);
    launch(softmax_kernel,
           {.name = "softmax",
            .grid = unsigned(kernel_int(x.rows())),
            .block = row_threads(n, wide),
            .stream = stream_of(call)},
           elements_of(x),
           call.has(Softmax::kSink) ? elements_of(call.in(Softmax::kSink)) : Elements{nullptr, DType::f32},
           elements_of(out), n, kernel_int(x.rows() / x.dim(0)), wide);
}

}  // namespace

extern const KernelDef kSoftmaxCuda{.op = "softmax", .run = run};

}  // namespace vitro::VITRO_DEVICE
