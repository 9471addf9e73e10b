#pragma once

#include "models/architecture.h"

namespace vitro {

/// Phi-3 (Abdin et al. 2024): one matrix for q, k, v and one for gate and up.
extern const Architecture kPhi3;

}  // namespace vitro
