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

/// Weights that the step after this one reads first. Blocks that have no keys to read, or all where each has some, ask
/// for them once there is nothing else to ask for, and bring them into L2: the memory would be idle while blocks end.
struct NextWeights {
    static constexpr std::size_t kMost = 24 << 20;  // half of the L2 cache of a large card
    static constexpr int kLine = 128;

    const std::byte* data;
    int lines;

    explicit NextWeights(std::span<const std::byte> weights)
        : data(weights.data()), lines(static_cast<int>(std::min(weights.size(), kMost) / kLine)) {}

    /// Called by every thread of the blocks with blockIdx.x >= first; they share the lines.
    __device__ __forceinline__ void prefetch(int first) const {
        const int others = int(gridDim.x) - first, rows = int(gridDim.y * gridDim.z);
        const int row = int(blockIdx.z * gridDim.y + blockIdx.y);
        const int block = row * others + int(blockIdx.x) - first;
        for (int i = block * int(blockDim.x) + int(threadIdx.x); i < lines; i += rows * others * int(blockDim.x))
            prefetch_l2(data + std::int64_t(i) * kLine);
    }
};

/// Queues the kernel for a few tokens a sequence. False where there is none for this head size on this device.
bool launch_attention_decode(const AttentionTensors& a, const DecodeSplits& splits, float* parts,
                             const NextWeights& next, CudaBackend& backend);

}  // namespace vitro::VITRO_DEVICE
