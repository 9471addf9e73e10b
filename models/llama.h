#pragma once

#include "models/architecture.h"

namespace vitro {

/// Llama (Touvron et al. 2023) and what differs from it in numbers only: separate q, k, v, gate and up matrices.
/// Mistral (Jiang et al. 2023) sees a window, Ministral in some layers, Ministral 3 has sharper queries far into a
/// text, SmolLM3 turns q and k in three of four layers (Yang et al. 2025).
extern const Architecture kLlama, kMistral, kMinistral, kMinistral3, kSmolLm3;

}  // namespace vitro
