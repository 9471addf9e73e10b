// x·Wᵀ + b where each row chooses its matrices among many (Shazeer et al. 2017, sparsely gated mixture of experts)
#pragma once

#include "graph/builder.h"

namespace vitro {

/// The inputs of expert_linear, by position.
struct ExpertLinear {
    enum Input : std::size_t { kX, kWeight, kExperts, kBias };
};

extern const OpDef kExpertLinear;

/// out[t, j] = x[t, j] · weight[experts[t, j]]ᵀ + bias[experts[t, j]], x[t] for every j where x is a matrix. Only
/// matrices that a row chose are read; a number that names none gives NaN.
/// x: float [T, K] or [T, k, K]; weight: [E, N, K], a float, f8e4m3 or blocks along K; experts: i32 [T, k]; bias: float
/// [E, N]. out: x's dtype, [T, k, N]; all arithmetic is fp32, rounded once.
Value expert_linear(At at, Value x, Value weight, Value experts, Value bias = {});

}  // namespace vitro
