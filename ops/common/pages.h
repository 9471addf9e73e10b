// The paged cache: where the row of a token stands.
#pragma once

#include "base/tensor.h"

namespace vitro {

/// cache [P, page, ...], page_table i32 [S, M]: position p of sequence s is in page page_table[s, p / page], slot
/// p % page.
struct Pages {
    std::int64_t count;         // P
    std::int64_t slots;         // page: positions in one page
    std::int64_t sequences;     // S
    std::int64_t per_sequence;  // M
    const std::int32_t* table;

    Pages(const Tensor& cache, const Tensor& page_table)
        : count(cache.dim(0)),
          slots(cache.dim(1)),
          sequences(page_table.dim(0)),
          per_sequence(page_table.dim(1)),
          table(page_table.as<std::int32_t>()) {}

    /// Index of the row among the cache's count * slots rows.
    std::int64_t row(std::int64_t sequence, std::int64_t position) const {
        VITRO_CHECK(sequence >= 0 && sequence < sequences && position >= 0 && position / slots < per_sequence,
                    "sequence {} of {}, position {} of {}", sequence, sequences, position, per_sequence * slots);
        const std::int64_t page = table[sequence * per_sequence + position / slots];
        VITRO_CHECK(page >= 0 && page < count, "page {} of {}", page, count);
        return page * slots + position % slots;
    }
};

}  // namespace vitro
