// The library's one door: see runtime/emulated_cuda.h.
#include "ops/cuda_kernels.h"
#include "runtime/emulated_cuda.h"

namespace {

constexpr vitro::EmulatedCuda with_sizes(vitro::EmulatedCuda functions) {
    for (std::size_t i = 0; i < std::size(vitro::EmulatedCuda::kSizes); ++i)
        functions.sizes[i] = vitro::EmulatedCuda::kSizes[i];
    return functions;
}

}  // namespace

extern "C" const vitro::EmulatedCuda vitro_emulated_cuda = with_sizes({
    .sizes = {},
    .make_backend = vitro::cuda_emulated::make_backend,
    .kernels = vitro::cuda_emulated::kernels,
    .measure_limits = vitro::cuda_emulated::measure_limits,
    .seconds_of = vitro::cuda_emulated::seconds_of,
    .options = vitro::emulation::options,
    .accesses_are_checked = vitro::emulation::accesses_are_checked,
    .take_access_counts = vitro::emulation::take_access_counts,
});
