// The methods and attributes that values have of their types.
#pragma once

#include "frontend/jinja/value.h"

#include <optional>
#include <string_view>

namespace vitro::jinja {

/// What a dot finds on the value itself: a method, an attribute of `loop` or of a namespace. An undefined value for
/// what the sandbox keeps from templates: what changes a list or dict, and names that start with "_".
std::optional<Value> own_attribute(Heap& heap, const Value& object, std::string_view name);

/// receiver.name(arguments)
Value call_method(Heap& heap, const MethodBody& method, const Arguments& arguments);

}  // namespace vitro::jinja
