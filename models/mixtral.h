#pragma once

#include "models/architecture.h"

namespace vitro {

/// Mixtral (Jiang et al. 2024): a Mistral whose feed-forward layers are mixtures of experts.
extern const Architecture kMixtral;

}  // namespace vitro
