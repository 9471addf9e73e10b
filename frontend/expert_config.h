// The mixture of experts in config.json.
#pragma once

#include "frontend/json.h"
#include "models/architecture.h"

namespace vitro {

/// Fills what `model` says of experts, and which of its layers have them, which stand in it already; nothing where the
/// architecture has none. Error for more experts of a token than there are.
void read_experts(const JsonValue& config, const ExpertDefaults& defaults, ModelConfig& model);

}  // namespace vitro
