#pragma once

#include "models/architecture.h"

namespace vitro {

/// Qwen 2 and 2.5 (Yang et al. 2024): biases of q, k and v. Qwen 3 (Yang et al. 2025): norms of q and k by head,
/// and mixtures of experts.
extern const Architecture kQwen2, kQwen3, kQwen3Moe;

}  // namespace vitro
