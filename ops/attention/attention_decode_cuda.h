// Attention of single tokens on the device.
#pragma once

#include "ops/attention/attention_cuda.h"
#include "ops/attention/attention_splits_cuda.h"

namespace vitro::VITRO_DEVICE {

/// Weights that the step after this one reads first. Blocks that have no keys to read, or all where each has some, ask
/// for them once there is nothing else to ask for, and bring them into L2: the memory would be idle while blocks end.
struct NextWeights {
    static constexpr std::size_t kMost = 24 << 20;  // half of the L2 cache of a large card
    static constexpr int kLine = 128;

    const std::byte* data;
    int lines;

    explicit NextWeights(std::span<const std::byte> weights)
        : data(weights.data()), lines(static_cast<int>(std::min(weights.size(), kMost) / kLine)) {}

    /// Called by every thread of the blocks with first <= blockIdx.x < end; they share the lines.
    __device__ __forceinline__ void prefetch(int first, int end) const {
        const int block = int(blockIdx.y) * (end - first) + int(blockIdx.x) - first;
        const int blocks = int(gridDim.y) * (end - first);
        for (int i = block * int(blockDim.x) + int(threadIdx.x); i < lines; i += blocks * int(blockDim.x))
            prefetch_l2(data + std::int64_t(i) * kLine);
    }
};

/// Queues the kernel for a few tokens a sequence. False where there is none for this head size on this device.
bool launch_attention_decode(const AttentionTensors& a, const DecodeSplits& splits, float* parts,
                             const NextWeights& next, CudaBackend& backend);

}  // namespace vitro::VITRO_DEVICE
