// The methods of Python's str that templates call.
#pragma once

#include "frontend/jinja/value.h"

#include <string_view>

namespace vitro::jinja {

bool is_text_method(std::string_view name);
Value call_text_method(Heap& heap, const Value& text, std::string_view name, const Arguments& arguments);

/// text.replace(old, new, count); a negative count is all of them.
Value replaced(Heap& heap, const Value& text, std::string_view from, std::string_view to, std::int64_t count = -1);
/// The first letter of every word in upper case, the others in lower case, as str.title().
std::string titled(std::string_view text);

}  // namespace vitro::jinja
