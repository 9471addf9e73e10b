#pragma once

#include "models/architecture.h"

namespace vitro {

/// StableLM (Bellagente et al. 2024): a Llama with LayerNorm and a quarter of each head turned.
extern const Architecture kStableLm;

}  // namespace vitro
