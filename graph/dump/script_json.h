// JSON that may stand in a script element of a page, written as text at once: of thousands of layers, a tree of JSON
// values takes longer than all the rest.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// JSON that ends no script element, nor begins what would hide its end: "<" in its strings is written by its number,
/// which means the same.
std::string ends_no_script(std::string_view json);

/// A JSON string that may stand in a script element.
std::string json_string(std::string_view text);

/// [text(a),text(b),…]
template <class Range, class Text>
std::string json_list(Range&& range, Text&& text) {
    std::string out = "[";
    for (const auto& each : range) {
        if (out.size() > 1) out += ',';
        out += text(each);
    }
    return out += ']';
}

/// {"a":1,"b":2}, given the members.
std::string json_object(const std::vector<std::string>& members);

}  // namespace vitro
