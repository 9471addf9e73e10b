// The turn of heads on the device, for every kernel that applies rope.
#pragma once

#include "ops/common/elements_cuda.h"
#include "ops/rope/rope.h"

namespace vitro::VITRO_DEVICE {

/// What a kernel needs of rope, as an argument: the frequencies are computed on the host, where they are rounded as the
/// reference implementations do.
struct RopeTable {
    static constexpr int kMaxPairs = 128;

    int pairs;               // half of the elements that turn
    float attention_scale;   // multiplies cos and sin
    std::int64_t long_from;  // sequences longer than this take long_frequencies
    float frequencies[kMaxPairs];
    float long_frequencies[kMaxPairs];

    /// For heads of d elements.
    RopeTable(const RopeAttributes& rope, std::int64_t d)
        : pairs(static_cast<int>((rope.rotary_dim == 0 ? d : rope.rotary_dim) / 2)),
          attention_scale(rope.attention_scale),
          long_from(rope.by_length() ? rope.original_max : std::numeric_limits<std::int64_t>::max()) {
        VITRO_CHECK(pairs <= kMaxPairs);
        inverse_frequencies(rope, false, {frequencies, std::size_t(pairs)});
        inverse_frequencies(rope, true, {long_frequencies, std::size_t(pairs)});
    }

    /// Why a kernel with such a table does not take heads of d elements, or nothing.
    static std::string refuses(const RopeAttributes& rope, std::int64_t d) {
        const std::int64_t rotary = rope.rotary_dim == 0 ? d : rope.rotary_dim;
        return rotary <= 2 * kMaxPairs
                   ? ""
                   : fmt::format("expected at most {} elements that turn, found {}", 2 * kMaxPairs, rotary);
    }

    /// Cosine and sine of pair i at `position`, times attention_scale.
    __device__ float2 turn(int i, int position, bool is_long) const {
        const float angle = (is_long ? long_frequencies : frequencies)[i] * static_cast<float>(position);
        // In half turns, less whole turns: what is left is exact enough in fp32, and sincospif knows no slow way.
        double half_turns = double(angle) * 0.31830988618379067;
        half_turns -= 2.0 * rint(0.5 * half_turns);
        float sine, cosine;
        sincospif(static_cast<float>(half_turns), &sine, &cosine);
        return make_float2(cosine * attention_scale, sine * attention_scale);
    }
};

/// The turns of a token in shared memory, which the block's threads compute together: those that threads with groups of
/// kCount pairs want at the same time stand side by side.
template <int kCount>
class SharedTurns {
public:
    /// `memory` [RopeTable::kMaxPairs]. Ends with a barrier.
    __device__ SharedTurns(const RopeTable& table, int position, bool is_long, float2* memory)
        : turns_(memory), groups_(table.pairs / kCount) {
        for (int i = int(threadIdx.x); i < table.pairs; i += int(blockDim.x))
            turns_[i % kCount * groups_ + i / kCount] = table.turn(i, position, is_long);
        __syncthreads();
    }

    /// Groups of a head.
    __device__ int groups() const { return groups_; }

    /// Turns a group of a head's pairs, x[i] and x[i + pairs].
    __device__ __forceinline__ void turn(int group, const Elements& x, std::int64_t from, const Elements& out,
                                         std::int64_t to) const {
        const int i = group * kCount, pairs = groups_ * kCount;
        Floats<kCount> first = load<kCount>(x, from + i), second = load<kCount>(x, from + i + pairs);
        for (int k = 0; k < kCount; ++k) {
            const float a = first.at[k], b = second.at[k];
            const float2 turn = turns_[k * groups_ + group];
            first.at[k] = a * turn.x - b * turn.y;
            second.at[k] = b * turn.x + a * turn.y;
        }
        store(out, to + i, first);
        store(out, to + i + pairs, second);
    }

private:
    float2* turns_;
    int groups_;
};

/// True when heads of d elements can be turned kWide pairs at a time.
inline bool turns_wide(std::initializer_list<const Tensor*> tensors, std::int64_t d, int pairs) {
    return pairs % kWide == 0 && takes_wide(tensors, d);
}

/// Blocks a token so that a step of few tokens still fills the device, at least one for each `threads` groups.
inline unsigned blocks_a_token(const CudaBackend& backend, std::int64_t tokens, std::int64_t groups, unsigned threads) {
    const std::int64_t wanted = (2 * backend.multiprocessors() + tokens - 1) / tokens;
    return unsigned(std::clamp<std::int64_t>(wanted, 1, (groups + threads - 1) / threads));
}

}  // namespace vitro::VITRO_DEVICE
