// Python's two kinds of format strings: "{} {name}".format(...) and "%s" % value.
#include "base/error.h"
#include "frontend/jinja/format.h"
#include "frontend/jinja/operators.h"
#include "frontend/jinja/text.h"

#include <algorithm>

namespace vitro::jinja {
namespace {

/// The fields of a string in braces, one after the other.
class BraceFormat {
public:
    BraceFormat(Heap& heap, const Arguments& arguments) : heap_(heap), out_(heap), arguments_(arguments) {}

    std::string formatted(std::string_view format) {
        while (!format.empty()) {
            const std::size_t plain = std::min(format.find_first_of("{}"), format.size());
            out_.append(format.substr(0, plain));
            format.remove_prefix(plain);
            if (format.empty()) break;
            const char c = format[0];
            if (format.size() > 1 && format[1] == c) {
                out_.append(format.substr(0, 1));
                format.remove_prefix(2);
                continue;
            }
            const std::size_t end = format.find('}');
            if (c == '}' || end == std::string_view::npos) fail("expected '{{' and '}}' in pairs in a format string");
            field(format.substr(1, end - 1));
            format.remove_prefix(end + 1);
        }
        return out_.take();
    }

private:
    void field(std::string_view field) {
        if (field.find('{') != std::string_view::npos) fail("fields inside a format's fields are not supported");
        const std::size_t colon = std::min(field.find(':'), field.size());
        std::string_view name = field.substr(0, colon);
        const FormatSpec spec = FormatSpec::parse(colon < field.size() ? field.substr(colon + 1) : "");
        char conversion = '\0';
        if (name.size() >= 2 && name[name.size() - 2] == '!') {
            conversion = name.back();
            name.remove_suffix(2);
            if (conversion != 'r' && conversion != 's')
                fail("expected the conversion r or s, found {}", quote({&conversion, 1}));
        }
        Value value = value_of(name);
        if (conversion != '\0') {
            TextBuilder text(heap_);
            conversion == 'r' ? append_repr(text, value) : append_str(text, value);
            value = make_text(text);
        }
        append_formatted(out_, value, spec);
    }

    Value value_of(std::string_view name) {
        const std::size_t head = std::min(name.find_first_of(".["), name.size());
        if (head == 0 && !name.empty()) fail("expected a name or number in a format's field, found {}", quote(name));
        Value value = argument(name.substr(0, head));
        name.remove_prefix(head);
        while (!name.empty()) {
            const bool attribute = name[0] == '.';
            const std::size_t end = attribute ? std::min(name.find_first_of(".[", 1), name.size()) : name.find(']');
            if (end == std::string_view::npos) fail("expected ']' in a format's field");
            const std::string_view key = name.substr(1, end - 1);
            const auto index = attribute ? std::nullopt : parse_integer(key);
            value = attribute ? attribute_of(heap_, value, key)
                              : item_of(heap_, value, index ? Value(*index) : make_text(heap_, std::string(key)));
            name.remove_prefix(attribute ? end : end + 1);
        }
        return value;
    }

    Value argument(std::string_view name) {
        const auto index = name.empty() ? std::optional<std::int64_t>(next_++) : parse_integer(name);
        if (index) {
            if (*index < 0 || *index >= static_cast<std::int64_t>(arguments_.positional.size()))
                fail("expected an argument {} for the format string, found {} arguments", *index,
                     arguments_.positional.size());
            return arguments_.positional[static_cast<std::size_t>(*index)];
        }
        for (const auto& [own, value] : arguments_.named)
            if (own == name) return value;
        fail("expected an argument {} for the format string, found none", quote(name));
    }

    Heap& heap_;
    TextBuilder out_;
    const Arguments& arguments_;
    std::int64_t next_ = 0;
};

}  // namespace

std::string format_braces(Heap& heap, std::string_view format, const Arguments& arguments) {
    return BraceFormat(heap, arguments).formatted(format);
}

std::string format_percent(Heap& heap, std::string_view format, const Value& value) {
    TextBuilder out(heap);
    std::vector<Value> values{value};
    if (const auto* sequence = value.get<Sequence>(); sequence != nullptr && (*sequence)->tuple)
        values = (*sequence)->items;
    std::size_t next = 0;
    bool named = false;
    const auto next_value = [&]() -> Value {
        if (next == values.size()) fail("expected more values for the format string, found {}", values.size());
        return values[next++];
    };
    while (!format.empty()) {
        const std::size_t plain = std::min(format.find('%'), format.size());
        out.append(format.substr(0, plain));
        format.remove_prefix(plain);
        if (format.empty()) break;
        format.remove_prefix(1);
        std::optional<Value> chosen;
        if (format.starts_with('(')) {
            const std::size_t end = format.find(')');
            if (end == std::string_view::npos) fail("expected ')' in a format string");
            chosen = item_of(heap, value, make_text(heap, std::string(format.substr(1, end - 1))));
            require_defined(*chosen);
            format.remove_prefix(end + 1);
            named = true;
        }
        FormatSpec spec;
        spec.align = '>';
        std::size_t flags = 0;
        for (; flags < format.size() && std::string_view("-+ 0#").find(format[flags]) != std::string_view::npos;
             ++flags) {
            if (format[flags] == '-') spec.align = '<';
            if (format[flags] == '+' || (format[flags] == ' ' && spec.sign != '+')) spec.sign = format[flags];
            if (format[flags] == '#') spec.alternate = true;
            if (format[flags] == '0') spec.fill = "0";
        }
        format.remove_prefix(flags);
        const auto number = [&]() -> std::int64_t {
            if (format.starts_with('*')) {
                format.remove_prefix(1);
                const auto given = next_value().integer();
                if (!given || *given < 0 || *given > 1'000'000'000) fail("expected a width for '*' in a format string");
                return *given;
            }
            const std::size_t digits = std::min(format.find_first_not_of("0123456789"), format.size());
            if (digits > 9) fail("expected a width of at most 9 digits in a format string");
            const auto parsed = parse_integer(format.substr(0, digits));
            format.remove_prefix(digits);
            return parsed.value_or(0);
        };
        spec.width = number();
        if (format.starts_with('.')) {
            format.remove_prefix(1);
            spec.precision = number();
        }
        if (format.empty()) fail("expected a format behind '%', found the end of the format string");
        const char type = format[0];
        format.remove_prefix(1);
        if (type == '%') {
            out.append("%");
            continue;
        }
        Value given = chosen ? *chosen : next_value();
        if (type == 's' || type == 'r' || type == 'a') {
            TextBuilder text(heap);
            type == 's' ? append_str(text, given) : append_repr(text, given);
            given = make_text(text);
            spec.fill = " ";
        } else if (type == 'd' || type == 'i' || type == 'u') {
            const auto as_number = given.number();
            if (as_number && !given.integer() && std::abs(*as_number) < 9e18)
                given = static_cast<std::int64_t>(*as_number);
        }
        if (spec.fill == "0") spec.align = spec.align == '<' ? '<' : '=';
        if (spec.align == '<') spec.fill = " ";
        spec.type = type == 'r' || type == 'a' ? 's' : (type == 'i' || type == 'u' ? 'd' : type);
        append_formatted(out, given, spec);
    }
    const bool takes_none = values.size() == 1 && (named || value.is<Dict>() || value.is<Sequence>());
    if (next < values.size() && !takes_none)
        fail("expected {} values for the format string, found {}", next, values.size());
    return out.take();
}

}  // namespace vitro::jinja
