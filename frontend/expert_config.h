// The mixture of experts in config.json.
#pragma once

#include "frontend/json.h"
#include "models/architecture.h"

namespace vitro {

/// Whether "quantization_config" says that the experts' weights are MXFP4; Error where it says anything else.
bool has_mxfp4_experts(const JsonValue& config, const ExpertDefaults& defaults);

/// Fills what `model` says of experts, and which of its layers have them, which stand in it already, as do its widths
/// and whether the experts' weights are MXFP4; nothing where the architecture has none. Error for more experts of a
/// token than there are.
void read_experts(const JsonValue& config, const ExpertDefaults& defaults, ModelConfig& model);

}  // namespace vitro
