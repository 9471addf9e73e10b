#include "ops/argmax/argmax.h"

#include "ops/common/largest_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// One block a row of n elements.
__global__ void argmax_kernel(Elements x, std::int32_t* out, int n, bool wide) {
    VITRO_SHARED(unsigned long long, partial, 32);
    const Largest largest = largest_of_row(x, std::int64_t(blockIdx.x) * n, n, wide, partial);
    if (threadIdx.x == 0) out[blockIdx.x] = largest.index;
}

void run(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    if (out.elements() == 0) return;
    const int n = kernel_int(x.dim(-1));
    const bool wide = takes_wide({&x}, n);
    launch(argmax_kernel,
           {.name = "argmax",
            .grid = unsigned(kernel_int(x.rows())),
            .block = row_threads(n, wide, 1024),
            .stream = stream_of(call)},
           elements_of(x), out.as<std::int32_t>(), n, wide);
}

}  // namespace

extern const KernelDef kArgmaxCuda{.op = "argmax", .run = run};

}  // namespace vitro::VITRO_DEVICE
