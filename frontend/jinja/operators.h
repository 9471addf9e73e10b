// What operators, dots and brackets do to values.
#pragma once

#include "frontend/jinja/value.h"

#include <string_view>

namespace vitro::jinja {

/// a op b, for + - * / // % **. Error for values that the operator does not take.
Value binary(Heap& heap, std::string_view op, const Value& a, const Value& b);
Value negative(Heap& heap, const Value& value);

/// object.name: a method or attribute of its type, else the item of that name, else undefined.
Value attribute_of(Heap& heap, const Value& object, std::string_view name);
/// object[key]: the item, else the method or attribute of that name, else undefined.
Value item_of(Heap& heap, const Value& object, const Value& key);
/// object["a.b.0"]: items of items, as filters' `attribute` arguments spell them.
Value item_at_path(Heap& heap, const Value& object, const Value& path);
/// object[start:stop:step]; null and none where not given.
Value slice_of(Heap& heap, const Value& object, const Value& start, const Value& stop, const Value& step);

}  // namespace vitro::jinja
