// What CPU kernels that turn heads share: the cosines and sines of a token, and the turn.
#pragma once

#include "backends/cpu/isa.h"
#include "base/checked.h"
#include "base/half.h"
#include "ops/rope/rope.h"

#include <cmath>
#include <cstddef>

namespace vitro::inline VITRO_ISA {

/// The turn of a token's heads: pair i is (x[i], x[i + pairs]).
struct RopeTurn {
    const float* cosine;  // [pairs], times attention_scale
    const float* sine;    // [pairs]
    std::int64_t pairs;

    /// Turns the first 2 * pairs elements of a head in fp32; out may be x itself.
    template <class X, class Y>
    void operator()(const X* x, Y* out) const {
        const X *first = x, *second = x + pairs;
        Y *out_first = out, *out_second = out + pairs;
#pragma GCC ivdep  // out may be x itself: an iteration writes only what it has read
        for (std::int64_t i = 0; i < pairs; ++i) {
            const float a = float(first[i]), b = float(second[i]);
            out_first[i] = Y(a * cosine[i] - b * sine[i]);
            out_second[i] = Y(b * cosine[i] + a * sine[i]);
        }
    }
};

/// Turns of a call's tokens.
class RopeAngles {
public:
    /// Floats that `threads` threads need together for heads of which `rotary` elements turn.
    static std::int64_t floats(std::int64_t rotary, std::int64_t threads) {
        return (threads + 1) * thread_floats(rotary);
    }

    /// positions, sequences [T] and lengths [S], the latter two read only when attributes.by_length(). The attributes
    /// and memory [floats(rotary, threads)] outlive the object.
    RopeAngles(const RopeAttributes& attributes, std::int64_t rotary, const std::int32_t* positions,
               const std::int32_t* sequences, const std::int32_t* lengths, float* memory)
        : attributes_(attributes),
          rotary_(rotary),
          positions_(positions),
          sequences_(sequences),
          lengths_(lengths),
          frequencies_(memory) {
        const auto pairs = static_cast<std::size_t>(rotary / 2);
        inverse_frequencies(attributes, false, {frequencies_, pairs});
        if (attributes.by_length()) inverse_frequencies(attributes, true, {frequencies_ + pairs, pairs});
    }

    /// The turn of `token`, in memory of `thread`: until that thread asks for the next one.
    RopeTurn turn(std::int64_t token, int thread) const {
        const std::int64_t pairs = rotary_ / 2;
        float* const cosine = frequencies_ + (thread + 1) * thread_floats(rotary_);
        float* const sine = cosine + pairs;
        const bool long_context = attributes_.by_length() && lengths_[sequences_[token]] > attributes_.original_max;
        const float* frequency = frequencies_ + (long_context ? pairs : 0);
        for (std::int64_t i = 0; i < pairs; ++i) {
            const float angle = frequency[i] * static_cast<float>(positions_[token]);
            cosine[i] = std::cos(angle) * attributes_.attention_scale;
            sine[i] = std::sin(angle) * attributes_.attention_scale;
        }
        return {cosine, sine, pairs};
    }

private:
    /// cos, then sin, of one token; a whole number of cache lines.
    static std::int64_t thread_floats(std::int64_t rotary) { return round_up<std::int64_t>(rotary, 16); }

    const RopeAttributes& attributes_;
    std::int64_t rotary_;
    const std::int32_t *positions_, *sequences_, *lengths_;
    float* frequencies_;  // short and long [rotary / 2 each], then each thread's part
};

}  // namespace vitro::inline VITRO_ISA
