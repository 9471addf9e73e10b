#pragma once

#include "models/architecture.h"

namespace vitro {

/// ModernBERT (Warner et al. 2024): an encoder with rope, norms in front of the blocks, GeGLU, and a window on both
/// sides in two of three layers.
extern const Architecture kModernBert;

}  // namespace vitro
