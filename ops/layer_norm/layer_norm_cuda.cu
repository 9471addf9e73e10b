#include "ops/layer_norm/layer_norm.h"

#include "backends/cuda/reduce.h"
#include "ops/common/elements_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// One block a row of n elements; out may be x. No bias: bias.data is null.
__global__ void layer_norm_kernel(Elements x, Elements weight, Elements bias, Elements out, int n, float eps,
                                  bool wide) {
    VITRO_SHARED(float, partial, 64);
    const std::int64_t row = std::int64_t(blockIdx.x) * n;
    float sum = 0.0f;
    each_in_row(n, wide, [&](int i, auto count) {
        for (const float value : load<count.value>(x, row + i).at) sum += value;
    });
    const float mean = reduce_block(sum, partial, Sum{}) / float(n);
    float squares = 0.0f;  // of the distances from the mean: a difference of large sums would cancel
    each_in_row(n, wide, [&](int i, auto count) {
        for (const float value : load<count.value>(x, row + i).at) squares += (value - mean) * (value - mean);
    });
    const float scale = 1.0f / sqrtf(reduce_block(squares, partial + 32, Sum{}) / float(n) + eps);
    each_in_row(n, wide, [&](int i, auto count) {
        auto values = load<count.value>(x, row + i);
        const auto weights = load<count.value>(weight, i);
        for (int k = 0; k < count.value; ++k) values.at[k] = (values.at[k] - mean) * scale * weights.at[k];
        if (bias.data != nullptr) {
            const auto biases = load<count.value>(bias, i);
            for (int k = 0; k < count.value; ++k) values.at[k] += biases.at[k];
        }
        store(out, row + i, values);
    });
}

void run(const Call& call) {
    const Tensor &x = call.in(LayerNorm::kX), &weight = call.in(LayerNorm::kWeight), &bias = call.in(LayerNorm::kBias),
                 &out = call.out();
    if (x.elements() == 0) return;
    const int n = kernel_int(x.dim(-1));
    const bool wide = takes_wide({&x, &weight, &bias, &out}, n);
    launch(layer_norm_kernel,
           {.name = "layer_norm",
            .grid = unsigned(kernel_int(x.rows())),
            .block = row_threads(n, wide),
            .stream = stream_of(call)},
           elements_of(x), elements_of(weight), elements_of(bias), elements_of(out), n,
           call.attributes.as<LayerNorm>().eps, wide);
}

}  // namespace

extern const KernelDef kLayerNormCuda{.op = "layer_norm", .run = run};

}  // namespace vitro::VITRO_DEVICE
