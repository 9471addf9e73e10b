// Values as text: Python's str(), repr(), its two kinds of format strings, and JSON.
#pragma once

#include "frontend/jinja/value.h"

#include <string>
#include <string_view>

namespace vitro::jinja {

void append_str(TextBuilder& out, const Value& value);
void append_repr(TextBuilder& out, const Value& value);
std::string str_of(Heap& heap, const Value& value);

/// `text` with the five characters that mean something in HTML escaped, as markupsafe does it.
void append_html(TextBuilder& out, std::string_view text);

/// What json.dumps has as keyword arguments.
struct JsonStyle {
    bool ensure_ascii = false;
    std::optional<std::string> indent;  // of one level
    std::string between_items = ", ";
    std::string behind_key = ": ";
    bool sort_keys = false;
};
/// As json.dumps. Error for a value that JSON does not have.
void append_json(TextBuilder& out, const Value& value, const JsonStyle& style);

/// How a format string wants one value: [[fill]align][sign][#][0][width][,][.precision][type].
struct FormatSpec {
    std::string fill = " ";
    char align = '\0';  // < > ^ =
    char sign = '-';
    bool alternate = false;
    std::int64_t width = 0;
    std::int64_t precision = -1;
    char group = '\0';  // , or _ between thousands
    char type = '\0';

    /// Error for a spec that is none.
    static FormatSpec parse(std::string_view spec);
};
void append_formatted(TextBuilder& out, const Value& value, const FormatSpec& spec);
/// `text` filled up to the spec's width.
void append_aligned(TextBuilder& out, std::string_view text, const FormatSpec& spec, char default_align);

/// format.format(arguments)
std::string format_braces(Heap& heap, std::string_view format, const Arguments& arguments);
/// format % value
std::string format_percent(Heap& heap, std::string_view format, const Value& value);

}  // namespace vitro::jinja
