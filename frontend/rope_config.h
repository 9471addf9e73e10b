// The rope part of config.json, in all its spellings, reduced to the divisors of models/config.h.
#pragma once

#include "frontend/json.h"
#include "models/config.h"

#include <cstdint>

namespace vitro {

/// How an architecture differs in what it makes of the rope keys.
struct RopeDefaults {
    std::int64_t original_max_positions = 0;  // where config.json is silent; 0: the maximum length
    bool has_partial_rotary = false;          // else partial_rotary_factor must be 1
    bool only_longrope = false;               // Phi-3 knows no other scaling, and calls it su or yarn at times
};

/// Reads `rope_parameters` (transformers 5) or `rope_theta`, `rope_scaling` and `partial_rotary_factor` (before).
/// Error for scalings that are not known, lists of another length than rotary_dim / 2, and values out of range.
Rope read_rope(const JsonValue& config, const RopeDefaults& defaults, std::int64_t head_dim,
               std::int64_t max_positions);

}  // namespace vitro
