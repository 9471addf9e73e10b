// How the work of attention on the device is shared among blocks. Chosen by bounds, so that one recorded launch serves
// every length: blocks for which there is nothing to do end at once.
#pragma once

#include "backends/cuda/cuda.h"
#include "base/host_device.h"

#include <cstddef>
#include <cstdint>

namespace vitro::VITRO_DEVICE {

inline constexpr int kDecodeHeads = 8;  // heads that read the same keys and share a block

/// Keys that a block takes at least, where there are as many.
inline constexpr int kDecodeKeys = 64;

/// Single tokens: how many blocks share the keys of all.
struct DecodeSplits {
    static constexpr std::int64_t kMostTokens = 128;  // that share blocks by their lengths; of more each has one block

    int items;                   // for each token: kv heads, times groups of kDecodeHeads heads
    int ways;                    // blocks for each item that the device has at once; 0: each token has one block
    int slots;                   // blocks for each item
    std::size_t most_bytes = 0;  // of memory for their parts, for up to so many tokens

    /// `most_keys`: how many a token may see.
    DecodeSplits(std::int64_t tokens, std::int64_t heads, std::int64_t kv_heads, std::int64_t d, std::int64_t most_keys,
                 int multiprocessors);

    /// By how many the keys of all tokens are divided, which makes the most that one block takes. Tokens of one length
    /// then share `ways` blocks evenly, or have a block each where they are more than half as many; one that has more
    /// than its share of the keys has several blocks among any number of others.
    VITRO_HOST_DEVICE static int divisor(int tokens, int ways) {
        const int left = ways - tokens + 1, half = ways / 2, most = left > half ? left : half;
        return most > 1 ? most : 1;
    }
};

/// Many tokens: how many blocks share the keys of a block of rows, where there are too few of these for the device, as
/// of a short chunk after a long context.
struct PrefillSplits {
    static constexpr int kMost = 32, kMinKeys = 256;

    int items;  // blocks of rows, times kv heads
    int count;
    std::size_t most_bytes = 0;  // of memory for the parts, for up to so many tokens

    /// `most_keys`: how many a token may see.
    PrefillSplits(std::int64_t tokens, std::int64_t heads, std::int64_t kv_heads, std::int64_t d,
                  std::int64_t most_keys, int multiprocessors);
};

}  // namespace vitro::VITRO_DEVICE
