#pragma once

#include "models/architecture.h"

namespace vitro {

/// GPT-2 (Radford et al. 2019): the original block with its norms in front, learned positions, and weights that stand
/// the other way round.
extern const Architecture kGpt2;

}  // namespace vitro
