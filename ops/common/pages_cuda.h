// The paged cache on the device: where the row of a token stands (ops/common/pages.h).
#pragma once

#include "ops/common/elements_cuda.h"

namespace vitro::VITRO_DEVICE {

/// A kernel's argument. cache [P, page, ...], page_table i32 [S, M].
struct DevicePages {
    const std::int32_t* table;
    int slots;         // page: positions in one page
    int sequences;     // S
    int per_sequence;  // M

    DevicePages(const Tensor& cache, const Tensor& page_table)
        : table(page_table.as<std::int32_t>()),
          slots(kernel_int(cache.dim(1))),
          sequences(kernel_int(page_table.dim(0))),
          per_sequence(kernel_int(page_table.dim(1))) {}

    /// Index of the row among the cache's P * page rows.
    __device__ std::int64_t row(int sequence, int position) const {
        const int in_table = position / slots;
        const std::int64_t page = table[std::int64_t(sequence) * per_sequence + in_table];
        return page * slots + (position - in_table * slots);
    }
};

}  // namespace vitro::VITRO_DEVICE
