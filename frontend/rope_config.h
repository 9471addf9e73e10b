// The rope part of config.json, in all its spellings, reduced to the divisors of models/config.h.
#pragma once

#include "frontend/json.h"
#include "models/architecture.h"

#include <cstdint>

namespace vitro {

/// Whose rope is meant, where layers with a sliding window have one of their own.
enum class RopeOf : std::uint8_t { all_layers, sliding_layers };

/// Reads `rope_parameters` (transformers 5, there by the type of layer where layers differ) or `rope_theta`,
/// `rope_scaling` and `partial_rotary_factor` (before). Error for scalings that are not known, lists of another length
/// than rotary_dim / 2, and values out of range.
Rope read_rope(const JsonValue& config, const RopeDefaults& defaults, RopeOf whose, std::int64_t head_dim,
               std::int64_t max_positions);

/// `llama_4_scaling_beta`: how much larger queries become as texts go on (ops/position_scale).
double read_query_scale(const JsonValue& config, const RopeDefaults& defaults);

}  // namespace vitro
