#include "runtime/quantize.h"

#include "backends/cpu/simd.h"

namespace vitro {
namespace {

template <class T>
float largest_magnitude(const T* row, std::int64_t k) {
    simd::Floats largest{};
    simd::each(k, [&](std::int64_t i, auto lanes) {
        const simd::Floats x = simd::load(row + i, lanes);
        largest = simd::max(largest, simd::max(x, -x));
    });
    return simd::max(largest);
}

template <class T>
void reform_rows(const T* rows, std::int64_t begin, std::int64_t end, std::int64_t k, WeightForm form, std::byte* to) {
    for (std::int64_t r = begin; r < end; ++r) {
        const T* row = rows + r * k;
        const float largest = largest_magnitude(row, k);
        const float scale = largest > 0 ? largest / f8e4m3::kLargest : 1.0f;
        if (form == WeightForm::fp8_scales) {
            reinterpret_cast<float*>(to)[r] = scale;
            continue;
        }
        auto* out = reinterpret_cast<f8e4m3*>(to) + r * k;
        simd::each(
            k, [&](std::int64_t i, auto lanes) { simd::store(out + i, simd::load(row + i, lanes) / scale, lanes); });
    }
}

}  // namespace

void reform(const Tensor& tensor, WeightForm form, std::byte* to, ThreadPool& pool) {
    VITRO_CHECK(form != WeightForm::stored && tensor.rank == 2);
    const std::int64_t rows = tensor.dim(0), k = tensor.dim(1);
    dispatch_float(tensor.dtype, [&]<class T>(T) {
        const T* from = tensor.as<T>();
        pool.parallel_for(
            rows, 16, [&](std::int64_t begin, std::int64_t end, int) { reform_rows(from, begin, end, k, form, to); });
    });
}

}  // namespace vitro
