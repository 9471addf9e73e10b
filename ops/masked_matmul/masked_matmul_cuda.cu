// Models have this product only before attention is fused: a thread an element will do.
#include "ops/common/elements_cuda.h"
#include "ops/masked_matmul/masked_matmul.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// out[z, m, n] = sum over k, where mask[m, k] is not -inf, of a[z, m, k] b[z, k, n].
__global__ void masked_matmul_kernel(Elements a, Elements b, Elements mask, Elements out, std::int64_t elements, int m,
                                     int n, int k) {
    const std::int64_t at = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (at >= elements) return;
    const std::int64_t row = at / n, z = row / m, column = at - row * n;
    const std::int64_t own_mask = (row - z * m) * k;
    float sum = 0.0f;
    for (int i = 0; i < k; ++i)
        if (load<1>(mask, own_mask + i).at[0] != -INFINITY)
            sum += load<1>(a, row * k + i).at[0] * load<1>(b, (z * k + i) * n + column).at[0];
    store<1>(out, at, {{sum}});
}

void run(const Call& call) {
    const Tensor &a = call.in(0), &b = call.in(1), &out = call.out();
    if (out.elements() == 0) return;
    constexpr unsigned kThreads = 128;
    launch(masked_matmul_kernel,
           {.name = "masked_matmul",
            .grid = blocks_for(out.elements(), kThreads),
            .block = kThreads,
            .stream = stream_of(call)},
           elements_of(a), elements_of(b), elements_of(call.in(2)), elements_of(out), out.elements(),
           kernel_int(a.dim(-2)), kernel_int(out.dim(-1)), kernel_int(a.dim(-1)));
}

}  // namespace

extern const KernelDef kMaskedMatmulCuda{.op = "masked_matmul", .run = run};

}  // namespace vitro::VITRO_DEVICE
