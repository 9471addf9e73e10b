// Values of a configuration that may be left out.
#pragma once

#include "frontend/json.h"

namespace vitro {

/// A whole number from `low` to `high`; `otherwise` where there is none.
inline std::int64_t integer_or(const JsonValue& config, std::string_view key, std::int64_t low, std::int64_t high,
                               std::int64_t otherwise) {
    const auto value = config.given(key);
    return value ? value->integer(low, high) : otherwise;
}

}  // namespace vitro
