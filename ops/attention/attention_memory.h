// What the threads of the attention kernel have in memory: results of some keys, which are merged in order, and room to
// compute them in.
#pragma once

#include "backends/cpu/cpu_backend.h"
#include "base/checked.h"
#include "ops/attention/attention.h"
#include "ops/attention/attention_tile.h"

#include <algorithm>
#include <limits>

namespace vitro::inline VITRO_ISA {

/// Rows that share keys: their scores of a split stay in the second cache.
inline constexpr std::int64_t kMaxRows = 48;
inline constexpr float kMasked = -std::numeric_limits<float>::infinity();

struct AttentionSizes {
    std::int64_t tokens, heads, kv_heads, group, d;
    std::int64_t padded;        // d rounded up to whole vectors
    std::int64_t block_tokens;  // tokens of a block, at most
    std::int64_t rows;          // rows of a block and one kv head, or of few rows and several heads, at most
    std::int64_t threads;

    explicit AttentionSizes(const Call& call)
        : tokens(call.in(Attention::kQ).dim(0)),
          heads(call.in(Attention::kQ).dim(1)),
          kv_heads(call.in(Attention::kKCache).dim(2)),
          group(heads / kv_heads),
          d(call.in(Attention::kQ).dim(2)),
          padded(round_up(d, simd::kLanes)),
          block_tokens(std::max<std::int64_t>(1, kMaxRows / std::max<std::int64_t>(1, group))),
          rows(std::max(kMaxRows, group)),
          threads(static_cast<CpuBackend&>(call.backend).pool().threads()) {}

    /// Floats of a AttentionPartial, and of one thread's AttentionWork, in whole cache lines.
    std::int64_t partial_floats() const { return round_up<std::int64_t>(rows * (padded + 2), 16); }
    std::int64_t work_floats() const {
        return round_up<std::int64_t>(rows * (padded + kSplitKeys) + kSplitKeys * padded, 16) + 2 * partial_floats() +
               kSplitKeys * 2;
    }
    /// Up to so many blocks (of all heads that go together) splits are shared among the threads, so many at a time.
    std::int64_t few_units() const { return threads == 1 ? 0 : 2 * threads; }
    std::int64_t wave() const { return threads == 1 ? 0 : 8 * threads; }
    std::int64_t partials() const { return wave() + few_units(); }
};

/// Softmax-weighted values of some rows over some keys: with w = e^(score - largest), the sum of w and of w * value.
struct AttentionPartial {
    float *largest, *sum;  // [rows]
    float* values;         // [rows, padded]

    AttentionPartial(float* memory, const AttentionSizes& s)
        : largest(memory), sum(memory + s.rows), values(memory + 2 * s.rows) {}

    void clear(const AttentionSizes& s, std::int64_t rows) {
        std::fill_n(largest, rows, kMasked);
        std::fill_n(sum, rows, 0.0f);
        std::fill_n(values, rows * s.padded, 0.0f);
    }
};

/// Adds the keys of `from` to `into`, in rows [begin, end). One copy of the code, so that the compiler rounds it in one
/// way.
[[gnu::noinline]] inline void merge(AttentionPartial into, const AttentionPartial from, std::int64_t begin,
                                    std::int64_t end, std::int64_t padded) {
    for (std::int64_t r = begin; r < end; ++r) {
        if (from.largest[r] == kMasked) continue;
        const float largest = std::max(into.largest[r], from.largest[r]);
        const simd::Floats a = simd::exp(simd::broadcast(into.largest[r] - largest));
        const simd::Floats b = simd::exp(simd::broadcast(from.largest[r] - largest));
        into.largest[r] = largest;
        into.sum[r] = into.sum[r] * a[0] + from.sum[r] * b[0];
        for (std::int64_t i = r * padded; i < (r + 1) * padded; i += simd::kLanes)
            simd::store(into.values + i,
                        simd::multiply_add(simd::load(from.values + i), b, simd::load(into.values + i) * a));
    }
}

/// One thread's memory.
struct AttentionWork {
    float* q;                       // [rows, padded], times the scale
    float* scores;                  // [rows, kSplitKeys], then the weights
    float* packed;                  // [kSplitKeys, padded], keys, then values
    AttentionPartial split, total;  // of this split, of all splits so far
    std::int64_t* cache_rows;       // [kSplitKeys], of the split's keys

    AttentionWork(float* memory, const AttentionSizes& s)
        : q(memory),
          scores(q + s.rows * s.padded),
          packed(scores + s.rows * kSplitKeys),
          split(memory + round_up<std::int64_t>(s.rows * (s.padded + kSplitKeys) + kSplitKeys * s.padded, 16), s),
          total(split.largest + s.partial_floats(), s),
          cache_rows(reinterpret_cast<std::int64_t*>(total.largest + s.partial_floats())) {}
};

}  // namespace vitro::inline VITRO_ISA
