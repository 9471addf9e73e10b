#include "ops/gather_rows/gather_rows.h"

#include "ops/common/copy_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// Rows of n units; a block a row.
template <class Unit>
__global__ void gather_rows_kernel(const Unit* x, const std::int32_t* rows, Unit* out, int n) {
    const Unit* from = x + std::int64_t(rows[blockIdx.x]) * n;
    Unit* to = out + std::int64_t(blockIdx.x) * n;
    for (int i = int(threadIdx.x); i < n; i += int(blockDim.x)) to[i] = from[i];
}

void run(const Call& call) {
    const Tensor &x = call.in(0), &rows = call.in(1), &out = call.out();
    if (out.elements() == 0) return;
    const std::int64_t bytes = bytes_of(x.dtype, x.count(1, x.rank));
    with_unit({x.data, out.data}, bytes, [&]<class Unit>(Unit) {
        const int n = kernel_int(bytes / std::int64_t(sizeof(Unit)));
        launch(gather_rows_kernel<Unit>,
               {.name = "gather_rows",
                .grid = unsigned(kernel_int(rows.dim(0))),
                .block = row_threads(n, false),
                .stream = stream_of(call)},
               x.as<Unit>(), rows.as<std::int32_t>(), out.as<Unit>(), n);
    });
}

}  // namespace

extern const KernelDef kGatherRowsCuda{.op = "gather_rows", .run = run};

}  // namespace vitro::VITRO_DEVICE
