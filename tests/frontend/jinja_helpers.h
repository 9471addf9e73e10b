// Templates rendered for tests.
#pragma once

#include "base/error.h"
#include "frontend/jinja/template.h"
#include "frontend/json.h"
#include "tests/paths.h"

#include <ctime>
#include <string>
#include <string_view>

namespace vitro::test {

/// The names and values of a JSON object.
inline jinja::Variables jinja_variables(const JsonValue& json) {
    jinja::Variables variables;
    for (const auto& [name, value] : json.members()) variables.emplace_back(std::string(name), jinja::Value::of(value));
    return variables;
}

/// A text, or the Error's.
struct Rendered {
    bool refused = false;
    std::string text;
};

/// What strftime_now tells is what tests/golden/jinja_oracle.py has: 2024-02-29 13:05:09 in local time.
inline Rendered render(std::string_view source, const jinja::Variables& variables) {
    std::tm local{};
    local.tm_year = 124, local.tm_mon = 1, local.tm_mday = 29, local.tm_hour = 13, local.tm_min = 5, local.tm_sec = 9;
    local.tm_isdst = -1;
    try {
        return {false, jinja::Template(source, "t").render(variables, std::mktime(&local))};
    } catch (const Error& error) {
        return {true, error.what()};
    }
}

}  // namespace vitro::test
