// Steps of attention for tests of its CUDA kernels: sequences of given lengths, whose last tokens the step has.
#pragma once

#include "ops/attention/attention.h"
#include "ops/check/op_case.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vitro::test {

/// How many positions of a sequence the caches hold, and how many tokens of the step are the last of them.
struct Sequence {
    std::int64_t length, tokens;
};

struct Heads {
    std::int64_t q, kv, size;
};

struct Step {
    static constexpr std::int64_t kSlots = 16;  // of a page

    std::vector<Sequence> sequences;
    Heads heads;
    DType dtype, cached;
    Attention attention{};

    std::int64_t tokens() const;
    std::int64_t pages() const;  // of a sequence
    Example example() const;
    /// DecodeSplits or PrefillSplits on the emulated device.
    template <class Splits>
    Splits splits() const {
        constexpr int kMultiprocessors = 8;  // of the emulation
        return Splits(tokens(), heads.q, heads.kv, heads.size, attention.visibility.most(pages() * kSlots),
                      kMultiprocessors);
    }
};

inline Attention scaled(float scale, Visibility visibility = {}, float softcap = 0) {
    return {.scale = scale, .visibility = visibility, .softcap = softcap};
}

/// How a kernel's result of the step differs from the reference's.
std::vector<std::string> differences(const Step& step, const KernelDef& kernel);
/// Checks that attention's kernel in the emulation agrees with the reference; `with_special`, also where inputs have
/// NaN and infinities.
void check(const Step& step, bool with_special = false);

}  // namespace vitro::test
