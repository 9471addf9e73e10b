// The next token of each row of logits, so that a step's graph can end in it and only tokens leave the device.
#pragma once

#include "graph/builder.h"
#include "ops/sample/candidate.h"

namespace vitro {

extern const OpDef kSample;

/// How the token of one row is chosen; a row of the op's inputs `options` and `integers`.
struct SampleRow {
    float temperature = 0;      // 0: the largest logit
    float top_p = 1;            // only the fewest first candidates that reach this share; 1: all
    float min_p = 0;            // only those with at least this share of the first one's probability
    std::int32_t top_k = 0;     // only the first k; 0: all
    std::int32_t position = 0;  // number of tokens so far: the draw depends on it and on the seed
    std::uint64_t seed = 0;

    static constexpr std::int64_t kOptions = 3, kIntegers = 4;  // numbers a row
    /// options [kOptions], integers [kIntegers].
    void write(float* options, std::int32_t* integers) const;
    static SampleRow read(const float* options, const std::int32_t* integers);
};

/// A candidate of choose_token.
struct SampleCandidate {
    std::uint64_t order;   // sample_order
    std::uint64_t weight;  // sample_weight
};

/// The token of one row of n logits (float, f16 or bf16; n at most 2^kTokenBits), -1 where one is NaN or +Inf. `memory`
/// has room for n candidates. Far faster than sorting all of them.
template <class T>
std::int32_t choose_token(const T* logits, std::int64_t n, const SampleRow& row, SampleCandidate* memory);

/// logits: float [R, V]; options: float [R, 3], temperature, top_p and min_p; integers: i32 [R, 4], top_k, position and
/// the lower and upper half of the seed. out: i32 [R]; -1 for a row that holds NaN or +Inf, of which no token can be
/// chosen.
Value sample(At at, Value logits, Value options, Value integers);

}  // namespace vitro
