// Filters and tests: what stands behind "|" and behind "is".
#pragma once

#include "frontend/jinja/value.h"

#include <span>
#include <string_view>

namespace vitro::jinja {

using FilterCall = Value (*)(Heap& heap, const Value& input, const Arguments& arguments);
struct Filter {
    std::string_view name;
    FilterCall call;
};
/// Filters of texts and numbers.
std::span<const Filter> text_filters();
/// Filters of lists and dicts.
std::span<const Filter> sequence_filters();

/// input | name(arguments). Error when there is no such filter.
Value apply_filter(Heap& heap, std::string_view name, const Value& input, const Arguments& arguments);
/// Whether `value is name(arguments)`. Error when there is no such test.
bool apply_test(Heap& heap, std::string_view name, const Value& value, const Arguments& arguments);

bool has_filter(std::string_view name);
bool has_test(std::string_view name);

}  // namespace vitro::jinja
