// The functions that every template has: range, dict, namespace, raise_exception, strftime_now.
#pragma once

#include "frontend/jinja/value.h"

#include <ctime>
#include <span>
#include <string>
#include <string_view>

namespace vitro::jinja {

/// Those that make a namespace or tell the time have no `call`: the interpreter has both.
std::span<const Function> functions();

/// dict(arguments), which namespace(arguments) begins with too.
Value make_dict_of(Heap& heap, const Arguments& arguments);

/// `now` by a format of strftime, in local time.
std::string formatted_time(std::string_view format, std::time_t now);

}  // namespace vitro::jinja
