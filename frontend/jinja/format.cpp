#include "frontend/jinja/format.h"

#include "base/error.h"
#include "frontend/jinja/text.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace vitro::jinja {
namespace {

void append_quoted(TextBuilder& out, std::string_view text) {
    const bool doubled = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
    const std::string_view mark = doubled ? "\"" : "'";
    out.append(mark);
    while (!text.empty()) {
        const char32_t c = code_point_of(text);
        const auto code = static_cast<unsigned>(c);
        const std::string_view bytes = text.substr(0, code_point_length(text[0]));
        text.remove_prefix(bytes.size());
        if (bytes == mark || c == '\\') out.append("\\");
        if (c == '\n' || c == '\r' || c == '\t')
            out.append(c == '\n' ? "\\n" : (c == '\r' ? "\\r" : "\\t"));
        else if (is_printable(c))
            out.append(bytes);
        else if (c < 0x100)
            out.append(fmt::format("\\x{:02x}", code));
        else
            out.append(c < 0x10000 ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code));
    }
    out.append(mark);
}

void append_items(TextBuilder& out, const std::vector<Value>& items) {
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (i > 0) out.append(", ");
        append_repr(out, items[i]);
    }
}

void append_members(TextBuilder& out, const DictBody& dict) {
    out.append("{");
    for (std::size_t i = 0; i < dict.members.size(); ++i) {
        if (i > 0) out.append(", ");
        append_repr(out, dict.members[i].first);
        out.append(": ");
        append_repr(out, dict.members[i].second);
    }
    out.append("}");
}

void append_range(TextBuilder& out, const Range& range) {
    out.append(range.step == 1 ? fmt::format("range({}, {})", range.start, range.stop)
                               : fmt::format("range({}, {}, {})", range.start, range.stop, range.step));
}

}  // namespace

void append_repr(TextBuilder& out, const Value& value) {
    out.heap().work();
    if (const std::string* text = value.text()) {
        if (value.is_markup()) out.append("Markup(");
        append_quoted(out, *text);
        if (value.is_markup()) out.append(")");
    } else if (const auto* sequence = value.get<Sequence>()) {
        const bool tuple = (*sequence)->tuple;
        out.append(tuple ? "(" : "[");
        append_items(out, (*sequence)->items);
        out.append(tuple ? ((*sequence)->items.size() == 1 ? ",)" : ")") : "]");
    } else if (const auto* dict = value.get<Dict>()) {
        append_members(out, **dict);
    } else if (const auto* view = value.get<View>()) {
        out.append(type_name(value));
        out.append("([");
        append_items(out, items_of(out.heap(), *view));
        out.append("])");
    } else if (const auto* range = value.get<Range>()) {
        append_range(out, *range);
    } else if (const auto* number = value.get<double>()) {
        out.append(float_text(*number));
    } else if (const auto* boolean = value.get<bool>()) {
        out.append(*boolean ? "True" : "False");
    } else if (const auto* integer = value.get<std::int64_t>()) {
        out.append(std::to_string(*integer));
    } else if (value.is<None>() || value.is<Undefined>()) {
        out.append(value.is<None>() ? "None" : "Undefined");
    } else {
        out.append(fmt::format("<{} object>", type_name(value)));
    }
}

void append_str(TextBuilder& out, const Value& value) {
    if (const std::string* text = value.text())
        out.append(*text);
    else if (!value.is<Undefined>())
        append_repr(out, value);
}

void append_html(TextBuilder& out, std::string_view text) {
    while (!text.empty()) {
        const std::size_t plain = std::min(text.find_first_of("&<>'\""), text.size());
        out.append(text.substr(0, plain));
        text.remove_prefix(plain);
        if (text.empty()) break;
        const char c = text[0];
        out.append(c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '"' ? "&#34;" : "&#39;");
        text.remove_prefix(1);
    }
}

std::string str_of(Heap& heap, const Value& value) {
    TextBuilder out(heap);
    append_str(out, value);
    return out.take();
}

FormatSpec FormatSpec::parse(std::string_view spec) {
    FormatSpec parsed;
    const std::string_view whole = spec;
    const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
    const auto skip = [&](char c) {
        if (!spec.starts_with(c)) return false;
        spec.remove_prefix(1);
        return true;
    };
    const auto number = [&]() -> std::int64_t {
        const std::string_view digits = spec.substr(0, std::min(spec.find_first_not_of("0123456789"), spec.size()));
        spec.remove_prefix(digits.size());
        if (digits.empty() || digits.size() > 9) fail("expected a format, found {}", quote(whole));
        return *parse_integer(digits);
    };
    const auto digit_ahead = [&] { return !spec.empty() && spec[0] >= '0' && spec[0] <= '9'; };
    const std::size_t fill = spec.empty() ? 0 : code_point_length(spec[0]);
    if (spec.size() > fill && is_align(spec[fill])) {
        parsed.fill = spec.substr(0, fill);
        parsed.align = spec[fill];
        spec.remove_prefix(fill + 1);
    } else if (!spec.empty() && is_align(spec[0])) {
        parsed.align = spec[0];
        spec.remove_prefix(1);
    }
    if (spec.starts_with('+') || spec.starts_with('-') || spec.starts_with(' ')) {
        parsed.sign = spec[0];
        spec.remove_prefix(1);
    }
    parsed.alternate = skip('#');
    if (skip('0') && parsed.align == '\0') {
        parsed.fill = "0";
        parsed.align = '=';
    }
    if (digit_ahead()) parsed.width = number();
    if (spec.starts_with(',') || spec.starts_with('_')) {
        parsed.group = spec[0];
        spec.remove_prefix(1);
    }
    if (skip('.')) parsed.precision = number();
    if (!spec.empty()) {
        parsed.type = spec[0];
        spec.remove_prefix(1);
    }
    if (!spec.empty()) fail("expected a format, found {}", quote(whole));
    return parsed;
}

namespace {

std::string grouped(std::string digits, char group, std::size_t every) {
    const std::size_t end = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
    for (std::size_t at = end; group != '\0' && at > every; at -= every) digits.insert(at - every, 1, group);
    return digits;
}

constexpr std::int64_t kMaxPrecision = 1000;

/// Digits of a number without its sign.
std::string float_digits(double value, FormatSpec spec) {
    if (spec.precision > kMaxPrecision) fail("expected at most {} digits, found {}", kMaxPrecision, spec.precision);
    const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
    const char type = spec.type == '%' || spec.type == 'F' ? 'f' : spec.type;
    if (type == '\0' && spec.precision < 0) return float_text(value);
    const std::string format =
        fmt::format("{{:{}.{}{}}}", spec.alternate ? "#" : "", precision, type == '\0' || type == 'n' ? 'g' : type);
    std::string digits = fmt::format(fmt::runtime(format), spec.type == '%' ? value * 100 : value);
    if (type == '\0' && digits.find_first_of(".en") == std::string::npos) digits += ".0";
    return spec.type == '%' ? digits + "%" : digits;
}

std::string integer_digits(std::uint64_t value, const FormatSpec& spec) {
    switch (spec.type) {
        case 'x':
            return fmt::format(fmt::runtime(spec.alternate ? "{:#x}" : "{:x}"), value);
        case 'X':
            return fmt::format(fmt::runtime(spec.alternate ? "{:#X}" : "{:X}"), value);
        case 'o':
            return (spec.alternate ? "0o" : "") + fmt::format("{:o}", value);
        case 'b':
            return fmt::format(fmt::runtime(spec.alternate ? "{:#b}" : "{:b}"), value);
        default:
            return std::to_string(value);
    }
}

constexpr std::string_view kIntegerTypes = "dnxXob", kFloatTypes = "eEfFgG%";

}  // namespace

void append_aligned(TextBuilder& out, std::string_view text, const FormatSpec& spec, char default_align) {
    const std::int64_t missing = std::max<std::int64_t>(0, spec.width - code_point_count(text));
    const char align = spec.align == '\0' ? default_align : spec.align;
    const std::int64_t left = align == '<' ? 0 : (align == '^' ? missing / 2 : missing);
    const auto fill = [&](std::int64_t count) {
        if (spec.fill.size() == 1) return out.append(static_cast<std::size_t>(count), spec.fill[0]);
        for (; count > 0; --count) out.append(spec.fill);
    };
    const std::size_t sign = align == '=' && (text.starts_with('-') || text.starts_with('+')) ? 1 : 0;
    out.append(text.substr(0, sign));
    fill(left);
    out.append(text.substr(sign));
    fill(missing - left);
}

void append_formatted(TextBuilder& out, const Value& value, const FormatSpec& spec) {
    const bool as_text = spec.type == '\0' || spec.type == 's';
    const auto number = value.number();
    if (!number || (value.is<bool>() && as_text)) {
        if (!as_text)
            fail("expected a number for the format {}, found {}", quote({&spec.type, 1}), described_type(value));
        const std::string text = str_of(out.heap(), value);
        const std::size_t kept = spec.precision < 0 ? text.size() : byte_of(text, spec.precision);
        return append_aligned(out, std::string_view(text).substr(0, kept), spec, '<');
    }
    const auto integer = value.integer();
    const bool as_integer = integer && (spec.type == '\0' || kIntegerTypes.find(spec.type) != std::string_view::npos);
    if (!as_integer && spec.type != '\0' && spec.type != 'n' && kFloatTypes.find(spec.type) == std::string_view::npos)
        fail("format {} cannot be used for {}", quote({&spec.type, 1}), described_type(value));
    const bool negative = as_integer ? *integer < 0 : std::signbit(*number);
    std::string digits = as_integer ? integer_digits(negative ? 0 - static_cast<std::uint64_t>(*integer)
                                                              : static_cast<std::uint64_t>(*integer),
                                                     spec)
                                    : float_digits(negative ? -*number : *number, spec);
    digits = grouped(std::move(digits), spec.group, 3);
    if (negative || spec.sign != '-') digits.insert(0, 1, negative ? '-' : spec.sign);
    append_aligned(out, digits, spec, '>');
}

}  // namespace vitro::jinja
