// The paged cache: where the row of a token stands.
#pragma once

#include "base/tensor.h"

namespace vitro {

/// cache [P, page, ...], page_table i32 [S, M]: position p of sequence s is in page page_table[s, p / page], slot
/// p % page.
struct Pages {
    std::int64_t slots;         // page: positions in one page
    std::int64_t sequences;     // S
    std::int64_t per_sequence;  // M
    const std::int32_t* table;

    Pages(const Tensor& cache, const Tensor& page_table)
        : slots(cache.dim(1)),
          sequences(page_table.dim(0)),
          per_sequence(page_table.dim(1)),
          table(page_table.as<std::int32_t>()) {}

    /// Index of the row among the cache's P * page rows.
    std::int64_t row(std::int64_t sequence, std::int64_t position) const {
        return std::int64_t{table[sequence * per_sequence + position / slots]} * slots + position % slots;
    }
};

}  // namespace vitro
