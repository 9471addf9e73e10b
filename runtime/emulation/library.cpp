// The library's one door: see runtime/emulated_cuda.h.
#include "ops/cuda_kernels.h"
#include "runtime/emulated_cuda.h"

#include <shared_headers.h>

extern "C" const vitro::EmulatedCuda vitro_emulation = {
    .headers = VITRO_SHARED_HEADERS,
    .make_backend = vitro::cuda_emulated::make_backend,
    .kernels = vitro::cuda_emulated::kernels,
    .measure_limits = vitro::cuda_emulated::measure_limits,
    .seconds_of = vitro::cuda_emulated::seconds_of,
    .options = vitro::emulation::options,
    .accesses_are_checked = vitro::emulation::accesses_are_checked,
    .take_access_counts = vitro::emulation::take_access_counts,
};
