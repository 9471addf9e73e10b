#include "backends/cpu/simd.h"
#include "ops/common/parallel.h"
#include "ops/quantize_rows/quantize_rows.h"

namespace vitro::inline VITRO_ISA {
namespace {

void run(const Call& call) {
    const Tensor& x = call.in(0);
    const std::int64_t width = x.dim(1);
    dispatch_float(x.dtype, [&]<class T>(T) {
        parallel_rows(call, x.dim(0), width, [&](std::int64_t row) {
            const T* from = x.as<T>() + row * width;
            f8e4m3* to = call.out(0).as<f8e4m3>() + row * width;
            simd::Floats magnitudes{};
            simd::each(width, [&](std::int64_t i, auto lanes) {
                const simd::Floats v = simd::load(from + i, lanes);
                magnitudes = simd::max(simd::max(v, -v), magnitudes);  // NaN is left out
            });
            const float largest = simd::max(magnitudes);
            const float scale = largest > 0 ? largest / f8e4m3::kLargest : 1.0f;
            call.out(1).as<float>()[row] = scale;
            simd::each(width, [&](std::int64_t i, auto lanes) {
                simd::store(to + i, simd::load(from + i, lanes) / scale, lanes);
            });
        });
    });
}

}  // namespace

extern const KernelDef kQuantizeRowsCpu{.op = "quantize_rows", .run = run};

}  // namespace vitro::inline VITRO_ISA
