#pragma once

#include "models/architecture.h"

namespace vitro {

/// Granite 3 (IBM 2024): Llama with multipliers of the embedding, of what each block adds, of q·k and of the logits.
extern const Architecture kGranite;

}  // namespace vitro
