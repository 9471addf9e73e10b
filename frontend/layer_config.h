// What config.json says of single layers: which see a window, how q and k turn in them.
#pragma once

#include "frontend/json.h"
#include "models/architecture.h"

#include <cstdint>

namespace vitro {

/// Fills `model.layers` and `model.ropes`, each layer with this head size and so many kv heads. n_layers and
/// max_positions stand in `model` already.
void read_layers(const JsonValue& config, const Architecture& known, std::int64_t head_dim, std::int64_t n_kv_heads,
                 ModelConfig& model);

}  // namespace vitro
