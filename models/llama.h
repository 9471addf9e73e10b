#pragma once

#include "models/architecture.h"

namespace vitro {

/// Llama (Touvron et al. 2023) and Mistral (Jiang et al. 2023): separate q, k, v, gate and up matrices.
extern const Architecture kLlama, kMistral;

}  // namespace vitro
