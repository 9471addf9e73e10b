#include "graph/attributes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <span>

namespace vitro {
namespace {

template <class T>
std::string list_text(const std::vector<T>& values) {
    std::string text = "[";
    for (const T& value : values) {
        if (text.size() > 1) text += ", ";
        text += attribute_text(value);
    }
    return text + "]";
}

template <class T>
void parse_number(std::string_view text, T& value, const char* expected) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) fail("expected {}, found '{}'", expected, text);
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

template <class List>
void parse_list(std::string_view text, List& values) {
    if (text.size() < 2 || text.front() != '[' || text.back() != ']') fail("expected a list [a, b], found '{}'", text);
    values.clear();
    text = trim(text.substr(1, text.size() - 2));
    while (!text.empty()) {
        const std::size_t comma = text.find(',');
        typename List::value_type value{};
        parse_attribute(trim(text.substr(0, comma)), value);
        values.push_back(std::move(value));
        if (comma == std::string_view::npos) return;
        text = text.substr(comma + 1);
    }
}

}  // namespace

std::string range_text(const FieldRange& range, std::string_view kind) {
    if (range.must_be_float) {
        std::string text = "one of";
        for (const DTypeInfo& dtype : kDTypes)
            if (dtype.is_float) text += fmt::format("{} {}", text.size() > 6 ? "," : "", dtype.name);
        return text;
    }
    if (!range.words.empty()) {
        std::string text = "one of";
        for (const std::string_view word : range.words)
            text += fmt::format("{} {}", text.size() > 6 ? "," : "", word.empty() ? "\"\"" : word);
        return text;
    }
    const std::string_view each = kind.starts_with("a list") || kind == "a shape" ? "each " : "";
    if (std::isfinite(range.least) && std::isfinite(range.most))
        return fmt::format("{}in [{}, {}]", each, range.least, range.most);
    if (!std::isfinite(range.least)) return "";
    return fmt::format("{}{} {}", each, range.is_open ? "above" : "at least", range.least);
}

void check_range(bool, const FieldRange&) {}

/// " above 0", " of at least 0", or nothing.
static std::string behind_noun(const FieldRange& range) {
    const std::string text = range_text(range, "a number");
    return text.empty() ? "" : (text.starts_with("at least") ? " of " : " ") + text;
}

void check_range(float value, const FieldRange& range) {
    const bool within = std::isfinite(value) &&
                        (range.is_open ? double(value) > range.least : double(value) >= range.least) &&
                        double(value) <= range.most;
    if (within) return;
    fail("expected a {}number{}, found {}", std::isfinite(value) ? "" : "finite ", behind_noun(range), value);
}

void check_range(std::int64_t value, const FieldRange& range) {
    const auto number = static_cast<double>(value);
    if ((range.is_open ? number > range.least : number >= range.least) && number <= range.most) return;
    fail("expected an integer{}, found {}", behind_noun(range), value);
}

void check_range(const std::string& value, const FieldRange& range) {
    if (range.words.empty() || std::find(range.words.begin(), range.words.end(), value) != range.words.end()) return;
    fail("expected {}, found '{}'", range_text(range, "a string"), value);
}

void check_range(DType value, const FieldRange& range) {
    if (range.must_be_float && !is_float(value))
        fail("expected {}, found {}", range_text(range, "a dtype"), name(value));
}

void check_range(Dim value, const FieldRange& range) {
    if (!value.is_symbol()) check_range(value.size, range);
}

template <class List>
void check_each(const List& values, const FieldRange& range) {
    for (std::size_t i = 0; i < values.size(); ++i) {
        try {
            check_range(values[i], range);
        } catch (const Error& error) {
            fail("element {}: {}", i, error.what());
        }
    }
}

void check_range(const Shape& value, const FieldRange& range) { check_each(value, range); }
void check_range(const std::vector<std::int64_t>& value, const FieldRange& range) { check_each(value, range); }
void check_range(const std::vector<float>& value, const FieldRange& range) { check_each(value, range); }

std::string attribute_text(bool value) { return value ? "true" : "false"; }
std::string attribute_text(std::int64_t value) { return std::to_string(value); }
std::string attribute_text(float value) { return fmt::format("{}", value); }
std::string attribute_text(Dim value) { return to_string(value); }
std::string attribute_text(DType value) { return std::string(name(value)); }
std::string attribute_text(const std::vector<std::int64_t>& value) { return list_text(value); }
std::string attribute_text(const std::vector<float>& value) { return list_text(value); }

std::string attribute_text(const std::string& value) {
    std::string text = "\"";
    for (const char c : value) {
        if (c == '"' || c == '\\' || c == '\n') text += '\\';
        text += c == '\n' ? 'n' : c;  // a graph file has one line a value
    }
    return text + "\"";
}

void parse_attribute(std::string_view text, bool& value) {
    if (text != "true" && text != "false") fail("expected true or false, found '{}'", text);
    value = text == "true";
}

void parse_attribute(std::string_view text, std::int64_t& value) { parse_number(text, value, "an integer"); }
void parse_attribute(std::string_view text, Dim& value) {
    value = {};
    if (text.size() == 1 && text[0] >= 'A' && text[0] <= 'Z')
        value.symbol = text[0];
    else
        parse_attribute(text, value.size);
}
void parse_attribute(std::string_view text, float& value) { parse_number(text, value, "a number"); }

void parse_attribute(std::string_view text, DType& value) {
    const auto dtype = dtype_named(text);
    if (!dtype) fail("expected a dtype, found '{}'", text);
    value = *dtype;
}

void parse_attribute(std::string_view text, std::string& value) {
    if (text.size() < 2 || text.front() != '"' || text.back() != '"') fail("expected a \"string\", found '{}'", text);
    value.clear();
    for (std::size_t i = 1; i + 1 < text.size(); ++i) {
        const bool escaped = text[i] == '\\';
        if (escaped) ++i;
        if (i + 1 == text.size()) fail("expected a \"string\", found '{}'", text);
        value += escaped && text[i] == 'n' ? '\n' : text[i];
    }
}

std::string attribute_text(const Shape& value) { return to_string(value); }
void parse_attribute(std::string_view text, Shape& value) { parse_list(text, value); }

void parse_attribute(std::string_view text, std::vector<std::int64_t>& value) { parse_list(text, value); }
void parse_attribute(std::string_view text, std::vector<float>& value) { parse_list(text, value); }

void Attributes::unknown_field(const AttributeTexts& texts, std::string_view known) {
    for (const auto& [field, text] : texts) {
        if ((", " + std::string(known) + ", ").find(", " + field + ", ") == std::string::npos)
            fail("no attribute '{}'; there {}", field, known.empty() ? "are none" : fmt::format("are {}", known));
    }
    VITRO_CHECK(false);
}

}  // namespace vitro
