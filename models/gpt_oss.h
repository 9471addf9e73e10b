#pragma once

#include "models/architecture.h"

namespace vitro {

/// GPT-OSS (OpenAI 2025): attention sinks, a window in every second layer, and experts with a clamped SwiGLU.
extern const Architecture kGptOss;

}  // namespace vitro
