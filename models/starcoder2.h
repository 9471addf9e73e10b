#pragma once

#include "models/architecture.h"

namespace vitro {

/// StarCoder 2 (Lozhkov et al. 2024): LayerNorm in front, biases everywhere, a feed-forward layer of two matrices.
extern const Architecture kStarcoder2;

}  // namespace vitro
