#include "base/error.h"
#include "frontend/jinja/filters.h"
#include "frontend/jinja/format.h"
#include "frontend/jinja/text.h"
#include "frontend/jinja/text_methods.h"
#include "frontend/json.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace vitro::jinja {
namespace {

/// The input as a text: a text stays itself, markup too.
Value as_text(Heap& heap, const Value& value) {
    return value.text() != nullptr ? value : make_text(heap, str_of(heap, value));
}

std::int64_t integer_or(std::string_view filter, const Value* value, std::int64_t otherwise) {
    if (value == nullptr) return otherwise;
    require_defined(*value);
    if (!value->integer()) fail("{}: expected an integer, found {}", filter, described_type(*value));
    return *value->integer();
}

std::string text_or(Heap& heap, const Value* value, std::string_view otherwise) {
    return value == nullptr ? std::string(otherwise) : str_of(heap, *value);
}

Value method_of_text(Heap& heap, const Value& input, std::string_view method, const Arguments& arguments) {
    return call_text_method(heap, as_text(heap, input), method, arguments);
}

Value upper_filter(Heap& heap, const Value& input, const Arguments& a) {
    return method_of_text(heap, input, "upper", a);
}
Value lower_filter(Heap& heap, const Value& input, const Arguments& a) {
    return method_of_text(heap, input, "lower", a);
}
Value capitalize(Heap& heap, const Value& input, const Arguments& a) {
    return method_of_text(heap, input, "capitalize", a);
}
Value trim(Heap& heap, const Value& input, const Arguments& a) { return method_of_text(heap, input, "strip", a); }

Value center(Heap& heap, const Value& input, const Arguments& arguments) {
    const Value* width = arguments.bind("center", {"width"})[0];
    return method_of_text(heap, input, "center", {{width == nullptr ? Value(std::int64_t{80}) : *width}, {}});
}

/// Words begin behind white space, hyphens and opening brackets.
Value title(Heap& heap, const Value& input, const Arguments& arguments) {
    arguments.bind("title", {});
    const std::string text = str_of(heap, input);
    heap.work_on_bytes(16 * text.size());
    std::string out;
    bool starts = true;
    for (std::string_view rest = text; !rest.empty(); rest.remove_prefix(code_point_length(rest[0]))) {
        const std::string_view c = rest.substr(0, code_point_length(rest[0]));
        const bool breaks =
            is_space(code_point_of(rest)) || std::string_view("-({[<").find(c) != std::string_view::npos;
        out += breaks ? std::string(c) : (starts ? upper(c) : lower(c));
        starts = breaks;
    }
    return make_text(heap, std::move(out));
}

Value replace(Heap& heap, const Value& input, const Arguments& arguments) {
    const auto given = arguments.bind("replace", {"old", "new", "count"}, 2);
    const bool all = given[2] == nullptr || given[2]->is<None>();
    const Value text = make_text(heap, str_of(heap, input));
    return replaced(heap, text, str_of(heap, *given[0]), str_of(heap, *given[1]),
                    all ? -1 : integer_or("replace", given[2], -1));
}

Value indent(Heap& heap, const Value& input, const Arguments& arguments) {
    const auto given = arguments.bind("indent", {"width", "first", "blank"});
    const bool by_text = given[0] != nullptr && given[0]->text() != nullptr;
    std::string margin = by_text ? *given[0]->text() : "";
    if (!by_text) {
        TextBuilder spaces(heap);
        spaces.append(static_cast<std::size_t>(std::max<std::int64_t>(0, integer_or("indent", given[0], 4))), ' ');
        margin = spaces.take();
    }
    const bool first = given[1] != nullptr && truth(*given[1]), blank = given[2] != nullptr && truth(*given[2]);
    const std::string text = str_of(heap, input) + "\n";
    heap.work_on_bytes(8 * text.size());
    TextBuilder out(heap);
    bool is_first = true;
    for (std::string_view rest = text; !rest.empty(); is_first = false) {
        heap.work();
        const Line line = first_line(rest);
        if (!is_first) out.append("\n");
        if (is_first ? first : blank || line.length > line.end) out.append(margin);
        out.append(rest.substr(0, line.length - line.end));
        rest.remove_prefix(line.length);
    }
    return make_text(out, input.is_markup());
}

Value truncate(Heap& heap, const Value& input, const Arguments& arguments) {
    const auto given = arguments.bind("truncate", {"length", "killwords", "end", "leeway"});
    const std::int64_t length = integer_or("truncate", given[0], 255), leeway = integer_or("truncate", given[3], 5);
    const std::string end = text_or(heap, given[2], "...");
    const std::string text = str_of(heap, input);
    heap.work_on_bytes(text.size());
    const std::int64_t kept = length - code_point_count(end);
    if (kept < 0 || leeway < 0)
        fail("truncate: expected a length of at least {}, found {}", code_point_count(end), length);
    if (code_point_count(text) <= length + std::min<std::int64_t>(leeway, 1 << 30)) return make_text(heap, text);
    std::string shorter = text.substr(0, byte_of(text, kept));
    const bool cuts_words = given[1] != nullptr && truth(*given[1]);
    if (const std::size_t space = shorter.rfind(' '); !cuts_words && space != std::string::npos) shorter.resize(space);
    return make_text(heap, shorter + end);
}

Value word_count(Heap& heap, const Value& input, const Arguments& arguments) {
    arguments.bind("wordcount", {});
    const std::string text = str_of(heap, input);
    heap.work_on_bytes(8 * text.size());
    std::int64_t words = 0;
    bool in_word = false;
    for (std::string_view rest = text; !rest.empty(); rest.remove_prefix(code_point_length(rest[0]))) {
        const bool letter = is_name(code_point_of(rest));
        words += letter && !in_word ? 1 : 0;
        in_word = letter;
    }
    return words;
}

Value to_string(Heap& heap, const Value& input, const Arguments& arguments) {
    arguments.bind("string", {});
    return as_text(heap, input);
}

Value safe(Heap& heap, const Value& input, const Arguments& arguments) {
    arguments.bind("safe", {});
    return make_text(heap, str_of(heap, input), true);
}

Value escape(Heap& heap, const Value& input, const Arguments& arguments) {
    arguments.bind("escape", {});
    if (input.is_markup()) return input;
    TextBuilder out(heap);
    append_html(out, str_of(heap, input));
    return make_text(out, true);
}

Value format(Heap& heap, const Value& input, const Arguments& arguments) {
    const std::string text = str_of(heap, input);
    if (arguments.named.empty())
        return make_text(heap, format_percent(heap, text, make_list(heap, arguments.positional, true)));
    if (!arguments.positional.empty()) fail("format: expected either positional or named arguments, found both");
    std::vector<std::pair<Value, Value>> members;
    for (const auto& [name, value] : arguments.named) members.emplace_back(make_text(heap, name), value);
    return make_text(heap, format_percent(heap, text, make_dict(heap, std::move(members))));
}

Value to_integer(Heap& heap, const Value& input, const Arguments& arguments) {
    const auto given = arguments.bind("int", {"default", "base"});
    const Value otherwise = given[0] == nullptr ? Value(std::int64_t{0}) : *given[0];
    const std::int64_t base = integer_or("int", given[1], 10);
    if (base != 0 && (base < 2 || base > 36)) fail("int: expected a base from 2 to 36, or 0, found {}", base);
    require_defined(input);
    if (const std::string* text = input.text()) {
        heap.work_on_bytes(text->size());
        if (const auto value = parse_integer(*text, static_cast<int>(base))) return *value;
    }
    const auto number = input.text() != nullptr ? parse_float(*input.text()) : input.number();
    if (input.integer()) return *input.integer();
    if (!number || !std::isfinite(*number)) return otherwise;
    if (std::abs(*number) > 9e18) fail("int: expected a number of at most 64 bits, found {}", *number);
    return static_cast<std::int64_t>(*number);
}

Value to_float(Heap& heap, const Value& input, const Arguments& arguments) {
    const Value* otherwise = arguments.bind("float", {"default"})[0];
    require_defined(input);
    if (input.text() != nullptr) heap.work_on_bytes(input.text()->size());
    const auto number = input.text() != nullptr ? parse_float(*input.text()) : input.number();
    if (number) return *number;
    return otherwise == nullptr ? Value(0.0) : *otherwise;
}

Value absolute(Heap&, const Value& input, const Arguments& arguments) {
    arguments.bind("abs", {});
    require_defined(input);
    if (const auto integer = input.integer(); integer && *integer != INT64_MIN)
        return *integer < 0 ? -*integer : *integer;
    if (!input.number()) fail("abs: expected a number, found {}", described_type(input));
    return std::abs(*input.number());
}

Value round(Heap& heap, const Value& input, const Arguments& arguments) {
    const auto given = arguments.bind("round", {"precision", "method"});
    const std::int64_t precision = integer_or("round", given[0], 0);
    const std::string method = text_or(heap, given[1], "common");
    require_defined(input);
    if (method != "common" && method != "ceil" && method != "floor")
        fail("round: expected the method common, ceil or floor, found {}", quote(method));
    if (!input.number()) fail("round: expected a number, found {}", described_type(input));
    if (std::abs(precision) > 300) fail("round: expected a precision of at most 300 digits, found {}", precision);
    const double scale = std::pow(10.0, static_cast<double>(precision));
    if (method != "common") {
        const double scaled = *input.number() * scale;
        return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale;
    }
    if (input.integer() && precision >= 0) return *input.integer();
    if (precision >= 0)
        return *parse_float(fmt::format("{:.{}f}", *input.number(), precision));  // half to even, exactly
    const double rounded = std::nearbyint(*input.number() * scale) / scale;
    return input.integer() ? Value(static_cast<std::int64_t>(rounded)) : Value(rounded);
}

Value url_encode(Heap& heap, const Value& input, const Arguments& arguments) {
    arguments.bind("urlencode", {});
    if (input.is<Dict>() || input.is<Sequence>()) fail("urlencode: expected a text, found {}", described_type(input));
    TextBuilder out(heap);
    for (const char c : str_of(heap, input)) {
        const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                           std::string_view("_.-~/").find(c) != std::string_view::npos;
        out.append(plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c)));
    }
    return make_text(out);
}

/// As transformers has it: nothing is escaped for HTML.
Value to_json(Heap& heap, const Value& input, const Arguments& arguments) {
    const auto given = arguments.bind("tojson", {"ensure_ascii", "indent", "separators", "sort_keys"});
    JsonStyle style;
    style.ensure_ascii = given[0] != nullptr && truth(*given[0]);
    style.sort_keys = given[3] != nullptr && truth(*given[3]);
    if (given[1] != nullptr && !given[1]->is<None>()) {
        const auto width = given[1]->integer();
        if (!width && given[1]->text() == nullptr)
            fail("tojson: expected an indent, found {}", described_type(*given[1]));
        if (width.value_or(0) > 1000) fail("tojson: expected an indent of at most 1000, found {}", *width);
        style.indent =
            width ? std::string(static_cast<std::size_t>(std::max<std::int64_t>(0, *width)), ' ') : *given[1]->text();
        style.between_items = ",";
    }
    if (given[2] != nullptr && !given[2]->is<None>()) {
        const std::vector<Value> separators = items_of(heap, *given[2]);
        if (separators.size() != 2 || separators[0].text() == nullptr || separators[1].text() == nullptr)
            fail("tojson: expected two texts as separators, found {}", described_type(*given[2]));
        style.between_items = *separators[0].text();
        style.behind_key = *separators[1].text();
    }
    TextBuilder out(heap);
    append_json(out, input, style);
    return make_text(out);
}

constexpr auto kFilters = std::to_array<Filter>({
    {"abs", absolute},
    {"capitalize", capitalize},
    {"center", center},
    {"e", escape},
    {"escape", escape},
    {"float", to_float},
    {"format", format},
    {"indent", indent},
    {"int", to_integer},
    {"lower", lower_filter},
    {"replace", replace},
    {"round", round},
    {"safe", safe},
    {"string", to_string},
    {"title", title},
    {"tojson", to_json},
    {"trim", trim},
    {"truncate", truncate},
    {"upper", upper_filter},
    {"urlencode", url_encode},
    {"wordcount", word_count},
});

}  // namespace

std::span<const Filter> text_filters() { return kFilters; }

}  // namespace vitro::jinja
