// Attention of single tokens on the device: how its work is shared among blocks.
#pragma once

#include "ops/attention/attention_cuda.h"

namespace vitro::VITRO_DEVICE {

inline constexpr int kDecodeHeads = 8;  // heads that read the same keys and share a block

/// How many blocks share the keys of a token and kv head. Chosen by bounds, so that one recorded launch serves every
/// length: blocks for which there is nothing to do end at once.
struct DecodeSplits {
    int items;                   // for each token: kv heads, times groups of kDecodeHeads heads
    int count;                   // blocks for each item
    std::size_t most_bytes = 0;  // of memory for their parts, for up to so many tokens

    /// `most_keys`: how many a token may see.
    DecodeSplits(std::int64_t tokens, std::int64_t heads, std::int64_t kv_heads, std::int64_t d, std::int64_t most_keys,
                 int multiprocessors);
};

/// Queues the kernel for a few tokens a sequence; one counter for each token and item is zero, and is again after it.
/// False where there is none for this head size.
bool launch_attention_decode(const AttentionTensors& a, const DecodeSplits& splits, float* parts, unsigned* counters,
                             cudaStream_t stream);

}  // namespace vitro::VITRO_DEVICE
