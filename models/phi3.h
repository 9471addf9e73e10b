#pragma once

#include "models/model.h"

namespace vitro {

/// Phi-3 (Abdin et al. 2024): one matrix for q, k, v and one for gate and up.
Graph build_phi3(const ModelConfig& config, const BuildOptions& options);

}  // namespace vitro
