#include "ops/matmul/large_product_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

template <int kCount>
__global__ void convert_kernel(Elements x, Elements out, std::int64_t elements) {
    const std::int64_t i = (std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * kCount;
    allow_next_kernel();
    wait_for_previous_kernel();
    if (i < elements) store(out, i, load<kCount>(x, i));
}

}  // namespace

void launch_convert(const Elements& x, const Elements& out, std::int64_t elements, LaunchStream stream) {
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

}  // namespace vitro::VITRO_DEVICE
