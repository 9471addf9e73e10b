#pragma once

#include "models/architecture.h"

namespace vitro {

/// OLMo 2 (OLMo team 2024): norms after each block instead of before it, and over all of q and k. OLMo 3: three of four
/// layers see a window.
extern const Architecture kOlmo2, kOlmo3;

}  // namespace vitro
