// Attention of many tokens on the device: what its kernels share. A row is a token and one of the heads that read the
// same keys; rows go token by token, and heads in order.
#pragma once

#include "backends/cuda/reduce.h"
#include "ops/attention/attention_cuda.h"
#include "ops/attention/attention_splits_cuda.h"

namespace vitro::VITRO_DEVICE {

/// Rows of a block: 16 a tile of the tensor core, kRowTiles tiles for each of four warps.
template <int kD>
inline constexpr int kRowTiles = kD > 128 ? 1 : 2;
template <int kD>
inline constexpr int kPrefillRows = 64 * kRowTiles<kD>;

/// What blocks leave that share keys, in `most_bytes` of memory. An item is block of rows * kv_heads + kv head.
struct PrefillParts {
    float2* states;  // [item][split][row]: the largest product of the row, and its sum of weights
    float* sums;     // [item][split][row][d]: values, weighted by exp2(scale * (product - largest))
    int* active;     // [item]: how many of the splits have keys; with one, the result is there already

    PrefillParts(std::byte* memory, const PrefillSplits& splits, std::int64_t rows, std::int64_t d)
        : states(reinterpret_cast<float2*>(memory)),
          sums(reinterpret_cast<float*>(states + splits.items * splits.count * rows)),
          active(reinterpret_cast<int*>(sums + splits.items * splits.count * rows * d)) {}
};

/// Where a row is among [tokens * heads] rows of q and of the output.
__device__ __forceinline__ int place_of_row(const AttentionTensors& a, int kv_head, int row) {
    const int heads_per_key = a.heads / a.kv_heads, token = row / heads_per_key;
    return token * a.heads + kv_head * heads_per_key + (row - token * heads_per_key);
}

/// One row once more by a warp, over the keys that it sees alone: in a tile 0 times a value that is not finite is NaN,
/// and what a token does not see takes no part in its result.
template <class T, class C, int kD>
__device__ __attribute__((noinline)) void attend_alone(const AttentionTensors& a, int place) {
    constexpr int kEach = (kD + 31) / 32;  // elements of a lane
    const int token = place / a.heads, head = place % a.heads;
    const int lane = int(threadIdx.x) % 32, kv_head = head / (a.heads / a.kv_heads), sequence = a.sequences[token];
    const std::int64_t at = std::int64_t(place) * kD;
    const int2 seen = a.visible(token);
    float sums[kEach] = {}, largest = -INFINITY, total = 0.0f;
    for (int position = seen.x; position < seen.y; ++position) {
        const std::int64_t row = (a.pages.row(sequence, position) * a.kv_heads + kv_head) * kD;
        float score = 0.0f;
        for (int i = lane; i < kD; i += 32) score += load<1>(a.q, at + i).at[0] * load<1>(a.k_cache, row + i).at[0];
        score = reduce_warp(score, Sum{});
        score = (a.cap == 0.0f ? score : a.held(score)) * a.log2_scale;
        const float high = fmaxf(fmaxf(largest, kLeastScore), score);
        const float shrink = fast_exp2(largest - high), weight = fast_exp2(score - high);
        largest = high;
        total = total * shrink + weight;
        for (int k = 0; k < kEach; ++k)
            if (const int i = lane + 32 * k; i < kD)
                sums[k] = sums[k] * shrink + weight * load<1>(a.v_cache, row + i).at[0];
    }
    for (int k = 0; k < kEach; ++k)
        if (const int i = lane + 32 * k; i < kD) store<1>(a.out, at + i, {{seen.x < seen.y ? sums[k] / total : 0.0f}});
}

/// Queues the kernel for steps of whole prompts. False where there is none for this head size on this device.
bool launch_attention_prefill(const AttentionTensors& a, const PrefillSplits& splits, std::byte* parts,
                              CudaBackend& backend);
/// The same by wgmma, on devices that have it; caches have q's type.
bool launch_attention_hopper(const AttentionTensors& a, const PrefillSplits& splits, std::byte* parts,
                             CudaBackend& backend);
/// Puts the parts together.
void launch_attention_combine(const AttentionTensors& a, const PrefillSplits& splits, const PrefillParts& parts,
                              CudaBackend& backend);

}  // namespace vitro::VITRO_DEVICE
