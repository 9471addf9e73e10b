// Calls of the emulated runtime that fail because a test asks for it, and what the runtime has handed out.
#pragma once

#include "backends/emulation/runtime_api.h"

#include <cstddef>
#include <string>

namespace vitro::emulation {

/// A failure to come. Of kernels the call is "cudaLaunchKernelEx", of programmatic ones "programmatic launch", of the
/// library's products "gemm"; all others have the runtime's names.
struct PlantedFailure {
    std::string call;  // empty: every call counts
    int skip = 0;      // so many of these calls do well before
    int times = 1;     // so many fail then
    cudaError_t error = cudaErrorLaunchFailure;
    bool sticky = false;  // from the first failure on every call fails, as after a kernel's fault on a card
};

void plant_failure(const PlantedFailure& failure);
/// Takes all of them back. Returns how many calls have failed.
int clear_failures();

/// What `call`, which is about to do its work, is to return instead; cudaSuccess: it works. Besides what was planted,
/// the environment variable VITRO_EMULATION_FAIL counts: CALL:SKIP, a sticky failure of a whole process.
cudaError_t planted_failure(const char* call);

/// Streams, events, graphs, recordings and allocations of device and pinned memory that were not given back.
std::size_t live_handles();
/// Counts one more, or one less.
void count_handle(int difference);

}  // namespace vitro::emulation
