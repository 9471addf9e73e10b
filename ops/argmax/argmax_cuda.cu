#include "ops/argmax/argmax.h"

#include "ops/common/largest_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// Blocks (row, part) of rows of n elements.
__global__ void argmax_kernel(Elements x, std::int32_t* out, int n, bool wide, const LargestParts parts) {
    VITRO_SHARED(unsigned long long, partial, 32);
    allow_next_kernel();
    wait_for_previous_kernel();
    Largest largest;
    if (largest_of_row(x, n, wide, parts, partial, largest) && threadIdx.x == 0) out[blockIdx.x] = largest.index;
}

LargestParts parts_of(const Call& call) {
    const Tensor& x = call.in(0);
    return {x.rows(), kernel_int(x.dim(-1)), backend_of(call), call.scratch};
}

std::size_t scratch(const Call& call) {
    return LargestParts::bytes(call.in(0).rows(), kernel_int(call.in(0).dim(-1)), backend_of(call));
}

void run(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    if (out.elements() == 0) return;
    const int n = kernel_int(x.dim(-1));
    const bool wide = takes_wide({&x}, n);
    const LargestParts parts = parts_of(call);
    launch(argmax_kernel,
           {.name = "argmax",
            .grid = {unsigned(kernel_int(x.rows())), unsigned(parts.count)},
            .block = row_threads(parts.each, wide, 1024),
            .stream = stream_of(call),
            .programmatic = true},
           elements_of(x), out.as<std::int32_t>(), n, wide, parts);
}

}  // namespace

extern const KernelDef kArgmaxCuda{.op = "argmax", .run = run, .scratch = scratch};

}  // namespace vitro::VITRO_DEVICE
