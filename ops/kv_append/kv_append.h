// Writes the step's keys or values into the paged cache.
#pragma once

#include "graph/builder.h"

namespace vitro {

/// Its inputs, by name.
struct KvAppend {
    enum Input : std::size_t { kCache, kX, kPositions, kSequences, kPageTable };
};

extern const OpDef kKvAppend;

/// cache: [P, page, n, d] of a float, f8e4m3 or q8_0, n heads of whole blocks; x: float [T, n, d]; positions, sequences:
/// i32 [T]; page_table: i32 [S, M].
/// out: the next state of the cache, in the same memory, with x[t] at page page_table[sequences[t],
/// positions[t] / page], slot positions[t] % page. No two tokens of a sequence have the same position.
Value kv_append(At at, Value cache, Value x, Value positions, Value sequences, Value page_table);

}  // namespace vitro
