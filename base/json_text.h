// JSON as text. All JSON that is written goes through here: texts, paths and names come from outside and may be no
// UTF-8, which JSON must be, and it has no NaN.
#pragma once

#include <cmath>
#include <string>

namespace vitro {

/// A tree of JSON values (nlohmann::json or ordered_json) in one line, or in lines with `indent` spaces a level. What
/// is no UTF-8 in its strings becomes U+FFFD.
template <class Json>
std::string json_text(const Json& json, int indent = -1) {
    return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

/// A number that may be NaN or infinite: then it is a text, never null.
template <class Json>
Json json_number(double x) {
    if (std::isnan(x)) return "NaN";
    if (std::isinf(x)) return x > 0 ? "Infinity" : "-Infinity";
    return x;
}

}  // namespace vitro
