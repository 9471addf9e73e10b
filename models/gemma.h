#pragma once

#include "models/architecture.h"

namespace vitro {

/// Gemma 2 (Gemma team 2024) and the text model of Gemma 3 (2025): a scaled embedding, norms by 1 + weight before and
/// after each block, layers with a window between those that see all. Gemma 2 holds scores and logits by a softcap;
/// Gemma 3 norms q and k by head instead, and its local layers have a rope of their own.
extern const Architecture kGemma2, kGemma3;

}  // namespace vitro
