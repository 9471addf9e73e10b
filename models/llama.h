#pragma once

#include "models/model.h"

namespace vitro {

/// Llama (Touvron et al. 2023) and Mistral (Jiang et al. 2023): separate q, k, v, gate and up matrices.
Graph build_llama(const ModelConfig& config, const BuildOptions& options);

}  // namespace vitro
