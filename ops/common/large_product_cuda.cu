#include "ops/common/large_product_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

__global__ void norm_rows_kernel(Elements x, Elements weight, Elements out, int n, float eps, bool wide) {
    VITRO_SHARED(float, partial, 32);
    allow_next_kernel();
    wait_for_previous_kernel();
    const std::int64_t row = std::int64_t(blockIdx.x) * n;
    float squares = 0.0f;
    each_in_row(n, wide, [&](int i, auto count) {
        for (const float value : load<count.value>(x, row + i).at) squares += value * value;
    });
    const float scale = 1.0f / sqrtf(reduce_block(squares, partial, Sum{}) / float(n) + eps);
    each_in_row(n, wide, [&](int i, auto count) {
        auto values = load<count.value>(x, row + i);
        const auto weights = load<count.value>(weight, i);
        for (int k = 0; k < count.value; ++k) values.at[k] *= scale * weights.at[k];
        store(out, row + i, values);
    });
}

template <int kCount>
__global__ void convert_kernel(Elements x, Elements out, std::int64_t elements) {
    const std::int64_t i = (std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * kCount;
    allow_next_kernel();
    wait_for_previous_kernel();
    if (i < elements) store(out, i, load<kCount>(x, i));
}

}  // namespace

void launch_convert(const Elements& x, const Elements& out, std::int64_t elements, cudaStream_t stream) {
    constexpr unsigned kThreads = 256;
    const bool wide = elements % kWide == 0 && reinterpret_cast<std::uintptr_t>(x.data) % 16 == 0;
    launch(wide ? convert_kernel<kWide> : convert_kernel<1>,
           {.name = "convert",
            .grid = blocks_for(wide ? elements / kWide : elements, kThreads),
            .block = kThreads,
            .stream = stream,
            .programmatic = true},
           x, out, elements);
}

void launch_norm(const Product& p, const Elements& out, cudaStream_t stream) {
    const bool wide = is_aligned(p);
    launch(norm_rows_kernel,
           {.name = "norm_rows",
            .grid = unsigned(p.tokens),
            .block = row_threads(p.k, wide),
            .stream = stream,
            .programmatic = true},
           p.x, p.norm, out, p.k, p.eps, wide);
}

}  // namespace vitro::VITRO_DEVICE
