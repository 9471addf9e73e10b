// Keys of config.json that change what a model computes in some architectures, for refusing them in all others.
#pragma once

#include "frontend/json.h"
#include "models/architecture.h"

namespace vitro {

/// Error for a key, by name, whose value asks for something that `known`, which the file calls `name`, does not heed.
void refuse_keys_not_heeded(const JsonValue& config, const Architecture& known, std::string_view name);

}  // namespace vitro
