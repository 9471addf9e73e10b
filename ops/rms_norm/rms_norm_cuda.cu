#include "backends/cuda/reduce.h"
#include "ops/common/cuda_call.h"
#include "ops/rms_norm/rms_norm.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// One block a row.
template <class X, class W>
__global__ void rms_norm_kernel(const X* x,       // [rows, n]
                                const W* weight,  // [n]
                                X* out,           // [rows, n], may be x
                                std::int64_t n, float eps) {
    VITRO_SHARED(float, partial, 32);
    const X* row = x + std::int64_t(blockIdx.x) * n;
    float squares = 0.0f;
    for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        const float value = to_float(row[i]);
        squares += value * value;
    }
    const float scale = 1.0f / sqrtf(reduce_block(squares, partial, Sum{}) / float(n) + eps);
    X* out_row = out + std::int64_t(blockIdx.x) * n;
    for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x)
        out_row[i] = from_float<X>(to_float(row[i]) * scale * to_float(weight[i]));
}

void run(const Call& call) {
    const Tensor &x = call.in(0), &weight = call.in(1), &out = call.out();
    const std::int64_t n = x.dim(-1), rows = x.rows();
    if (x.elements() == 0) return;
    const float eps = call.attributes.as<RmsNorm>().eps;
    const auto threads = unsigned(std::clamp<std::int64_t>((n + 31) / 32 * 32, 32, 1024));
    dispatch_device_float(x.dtype, [&]<class X>(X) {
        dispatch_device_float(weight.dtype, [&]<class W>(W) {
            launch(rms_norm_kernel<X, W>,
                   {.name = "rms_norm", .grid = unsigned(rows), .block = threads, .stream = stream_of(call)}, x.as<X>(),
                   weight.as<W>(), out.as<X>(), n, eps);
        });
    });
}

}  // namespace

extern const KernelDef kRmsNormCuda{.op = "rms_norm", .run = run};

}  // namespace vitro::VITRO_DEVICE
