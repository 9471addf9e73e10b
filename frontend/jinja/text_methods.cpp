#include "frontend/jinja/text_methods.h"

#include "base/error.h"
#include "frontend/jinja/format.h"
#include "frontend/jinja/text.h"

#include <algorithm>
#include <array>

namespace vitro::jinja {
namespace {

using Call = Value (*)(Heap& heap, const Value& text, const Arguments& arguments);

struct TextMethod {
    std::string_view name;
    Call call;
};

const std::string& text_argument(std::string_view method, const Value& value) {
    require_defined(value);
    if (value.text() == nullptr) fail("{}: expected a text, found {}", method, described_type(value));
    return *value.text();
}

std::int64_t integer_argument(std::string_view method, const Value* value, std::int64_t otherwise) {
    if (value == nullptr) return otherwise;
    require_defined(*value);
    if (!value->integer()) fail("{}: expected an integer, found {}", method, described_type(*value));
    return *value->integer();
}

Value of(Heap& heap, const Value& like, std::string_view bytes) {
    return make_text(heap, std::string(bytes), like.is_markup());
}

template <bool left, bool right>
Value strip(Heap& heap, const Value& text, const Arguments& arguments) {
    const Value* characters = arguments.bind("strip", {"chars"})[0];
    if (characters == nullptr || characters->is<None>())
        return of(heap, text, stripped(*text.text(), std::nullopt, left, right));
    const std::string& set = text_argument("strip", *characters);
    heap.work_on_bytes(text.text()->size() * std::min<std::size_t>(set.size(), 64));
    if (set.size() > 1000) fail("strip: expected at most 1000 bytes of characters, found {}", set.size());
    return of(heap, text, stripped(*text.text(), set, left, right));
}

/// The last character of `text` (not empty).
std::string_view last_of(std::string_view text) {
    std::size_t at = text.size() - 1;
    while ((static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) --at;
    return text.substr(at);
}

std::vector<Value> words_of(Heap& heap, const Value& like, std::int64_t count, bool from_right) {
    std::vector<Value> words;
    for (std::string_view text = stripped(*like.text()); !text.empty(); text = stripped(text)) {
        if (count-- == 0) {
            words.push_back(of(heap, like, text));
            break;
        }
        if (from_right) {
            std::string_view before = text;
            while (!before.empty() && !is_space(code_point_of(last_of(before))))
                before.remove_suffix(last_of(before).size());
            words.push_back(of(heap, like, text.substr(before.size())));
            text = before;
        } else {
            std::size_t end = 0;
            while (end < text.size() && !is_space(code_point_of(text.substr(end)))) end += code_point_length(text[end]);
            words.push_back(of(heap, like, text.substr(0, end)));
            text = text.substr(end);
        }
    }
    if (from_right) std::reverse(words.begin(), words.end());
    return words;
}

std::vector<Value> parts_of(Heap& heap, const Value& like, std::string_view separator, std::int64_t count,
                            bool from_right) {
    std::vector<Value> parts;
    std::string_view text = *like.text();
    while (count-- != 0) {
        const std::size_t at = from_right ? text.rfind(separator) : find_in(text, separator);
        if (at == std::string_view::npos) break;
        const std::string_view before = text.substr(0, at), behind = text.substr(at + separator.size());
        parts.push_back(of(heap, like, from_right ? behind : before));
        text = from_right ? before : behind;
    }
    parts.push_back(of(heap, like, text));
    if (from_right) std::reverse(parts.begin(), parts.end());
    return parts;
}

template <bool from_right>
Value split(Heap& heap, const Value& text, const Arguments& arguments) {
    const auto given = arguments.bind("split", {"sep", "maxsplit"});
    const std::int64_t count = integer_argument("split", given[1], -1);
    heap.work_on_bytes(text.text()->size() * 4);
    if (given[0] == nullptr || given[0]->is<None>()) return make_list(heap, words_of(heap, text, count, from_right));
    const std::string& separator = text_argument("split", *given[0]);
    if (separator.empty()) fail("split: expected a separator, found an empty text");
    // Looking from the right compares the separator at every place.
    if (from_right) heap.work_on_bytes(text.text()->size() * separator.size());
    return make_list(heap, parts_of(heap, text, separator, count, from_right));
}

template <bool end>
Value begins(Heap& heap, const Value& text, const Arguments& arguments) {
    const auto given = arguments.bind(end ? "endswith" : "startswith", {"prefix", "start", "end"}, 1);
    std::string_view part = *text.text();
    if (given[1] != nullptr) {
        const std::int64_t size = code_point_count(part);
        const auto bound = [&](const Value* value, std::int64_t otherwise) {
            const std::int64_t at = integer_argument("startswith", value, otherwise);
            return byte_of(part, std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size));
        };
        const std::size_t from = bound(given[1], 0), to = bound(given[2], size);
        if (from > to) return false;
        part = part.substr(from, to - from);
    }
    const auto fits = [&](const Value& value) {
        const std::string& wanted = text_argument(end ? "endswith" : "startswith", value);
        heap.work_on_bytes(wanted.size());
        return end ? part.ends_with(wanted) : part.starts_with(wanted);
    };
    const Sequence* several = given[0]->get<Sequence>();
    if (several == nullptr || !(*several)->tuple) return fits(*given[0]);
    return std::any_of((*several)->items.begin(), (*several)->items.end(), fits);
}

template <bool last, bool must>
Value find(Heap& heap, const Value& text, const Arguments& arguments) {
    const auto given = arguments.bind("find", {"sub", "start"}, 1);
    const std::string& wanted = text_argument("find", *given[0]);
    heap.work_on_bytes(2 * text.text()->size());
    const std::int64_t size = code_point_count(*text.text());
    const std::int64_t start = integer_argument("find", given[1], 0);
    const std::int64_t clamped = std::max<std::int64_t>(0, start < 0 ? start + size : start);
    const std::size_t from = byte_of(*text.text(), clamped);
    const std::string_view rest = std::string_view(*text.text()).substr(from);
    const std::size_t at =
        clamped > size ? std::string_view::npos : (last ? find_last_in(rest, wanted) : find_in(rest, wanted));
    if (at != std::string_view::npos) return code_point_count(std::string_view(*text.text()).substr(0, from + at));
    if (must) fail("index: expected a text that contains {}", quote(wanted));
    return std::int64_t{-1};
}

Value count(Heap& heap, const Value& text, const Arguments& arguments) {
    const std::string& wanted = text_argument("count", *arguments.bind("count", {"sub"}, 1)[0]);
    heap.work_on_bytes(text.text()->size());
    if (wanted.empty()) return code_point_count(*text.text()) + 1;
    std::int64_t found = 0;
    for (std::size_t at = 0; (at = find_in(*text.text(), wanted, at)) != std::string_view::npos; at += wanted.size())
        ++found;
    return found;
}

Value replace(Heap& heap, const Value& text, const Arguments& arguments) {
    const auto given = arguments.bind("replace", {"old", "new", "count"}, 2);
    return replaced(heap, text, text_argument("replace", *given[0]), text_argument("replace", *given[1]),
                    integer_argument("replace", given[2], -1));
}

Value join(Heap& heap, const Value& text, const Arguments& arguments) {
    TextBuilder out(heap);
    bool first = true;
    for (const Value& item : items_of(heap, *arguments.bind("join", {"items"}, 1)[0])) {
        if (!std::exchange(first, false)) out.append(*text.text());
        out.append(text_argument("join", item));
    }
    return make_text(out, text.is_markup());
}

template <std::string (*change)(std::string_view)>
Value changed(Heap& heap, const Value& text, const Arguments& arguments) {
    arguments.bind("a change of letter case", {});
    heap.work_on_bytes(16 * text.text()->size());
    return of(heap, text, change(*text.text()));
}

std::string swapped(std::string_view text) {
    std::string out;
    for (; !text.empty(); text.remove_prefix(code_point_length(text[0]))) {
        const std::string_view c = text.substr(0, code_point_length(text[0]));
        out += is_upper(code_point_of(text)) ? lower(c) : upper(c);
    }
    return out;
}

template <char align>
Value aligned(Heap& heap, const Value& text, const Arguments& arguments) {
    const auto given = arguments.bind("the alignment of a text", {"width", "fillchar"}, 1);
    FormatSpec spec;
    spec.width = integer_argument("width", given[0], 0);
    if (given[1] != nullptr) spec.fill = text_argument("fillchar", *given[1]);
    if (code_point_count(spec.fill) != 1) fail("expected one character to fill with, found {}", quote(spec.fill));
    if (align == '=') spec.fill = "0";
    const std::int64_t missing = spec.width - code_point_count(*text.text());
    if (align == '^' && missing > 0 && missing % 2 != 0 && spec.width % 2 != 0) {  // the odd one goes to the left
        spec.width -= 1;
        TextBuilder longer(heap);
        longer.append(spec.fill);
        append_aligned(longer, *text.text(), spec, align);
        return make_text(longer, text.is_markup());
    }
    TextBuilder out(heap);
    append_aligned(out, *text.text(), spec, align);
    return make_text(out, text.is_markup());
}

template <bool last>
Value partition(Heap& heap, const Value& text, const Arguments& arguments) {
    const std::string& separator = text_argument("partition", *arguments.bind("partition", {"sep"}, 1)[0]);
    if (separator.empty()) fail("partition: expected a separator, found an empty text");
    heap.work_on_bytes(text.text()->size());
    const std::string_view whole = *text.text();
    const std::size_t at = last ? find_last_in(whole, separator) : find_in(whole, separator);
    if (at == std::string_view::npos) {
        return make_list(heap,
                         last ? std::vector<Value>{of(heap, text, ""), of(heap, text, ""), text}
                              : std::vector<Value>{text, of(heap, text, ""), of(heap, text, "")},
                         true);
    }
    return make_list(heap,
                     {of(heap, text, whole.substr(0, at)), of(heap, text, separator),
                      of(heap, text, whole.substr(at + separator.size()))},
                     true);
}

template <bool suffix>
Value without(Heap& heap, const Value& text, const Arguments& arguments) {
    const std::string& part = text_argument("removeprefix", *arguments.bind("removeprefix", {"prefix"}, 1)[0]);
    std::string_view rest = *text.text();
    if (suffix && rest.ends_with(part)) rest.remove_suffix(part.size());
    if (!suffix && rest.starts_with(part)) rest.remove_prefix(part.size());
    return of(heap, text, rest);
}

Value lines(Heap& heap, const Value& text, const Arguments& arguments) {
    const Value* keep = arguments.bind("splitlines", {"keepends"})[0];
    const bool keeps = keep != nullptr && truth(*keep);
    heap.work_on_bytes(8 * text.text()->size());
    std::vector<Value> all;
    for (std::string_view rest = *text.text(); !rest.empty();) {
        const Line line = first_line(rest);
        all.push_back(of(heap, text, rest.substr(0, keeps ? line.length : line.length - line.end)));
        rest.remove_prefix(line.length);
    }
    return make_list(heap, std::move(all));
}

/// Whether every character is of a class, of a text that has some.
template <bool (*is)(char32_t)>
Value all_are(Heap& heap, const Value& text, const Arguments& arguments) {
    arguments.bind("a question about a text", {});
    heap.work_on_bytes(8 * text.text()->size());
    std::string_view rest = *text.text();
    while (!rest.empty() && is(code_point_of(rest))) rest.remove_prefix(code_point_length(rest[0]));
    return rest.empty() && !text.text()->empty();
}

/// Whether there are letters with a case, and none of the other one.
template <bool (*is)(char32_t), bool (*is_not)(char32_t)>
Value is_case(Heap& heap, const Value& text, const Arguments& arguments) {
    arguments.bind("a question about a text", {});
    heap.work_on_bytes(8 * text.text()->size());
    bool some = false;
    for (std::string_view rest = *text.text(); !rest.empty(); rest.remove_prefix(code_point_length(rest[0]))) {
        if (is_not(code_point_of(rest))) return false;
        some |= is(code_point_of(rest));
    }
    return some;
}

bool is_letter_or_digit(char32_t c) { return is_letter(c) || is_digit(c); }
bool is_ascii(char32_t c) { return c < 0x80; }

Value ascii(Heap& heap, const Value& text, const Arguments& arguments) {
    return text.text()->empty() ? Value(true) : all_are<is_ascii>(heap, text, arguments);
}

Value format(Heap& heap, const Value& text, const Arguments& arguments) {
    return of(heap, text, format_braces(heap, *text.text(), arguments));
}

constexpr std::array<TextMethod, 38> kMethods{{
    {"capitalize", changed<capitalized>},
    {"casefold", changed<lower>},
    {"center", aligned<'^'>},
    {"count", count},
    {"endswith", begins<true>},
    {"find", find<false, false>},
    {"format", format},
    {"index", find<false, true>},
    {"isalnum", all_are<is_letter_or_digit>},
    {"isalpha", all_are<is_letter>},
    {"isascii", ascii},
    {"isdecimal", all_are<is_digit>},
    {"isdigit", all_are<is_digit>},
    {"islower", is_case<is_lower, is_upper>},
    {"isnumeric", all_are<is_digit>},
    {"isspace", all_are<is_space>},
    {"isupper", is_case<is_upper, is_lower>},
    {"join", join},
    {"ljust", aligned<'<'>},
    {"lower", changed<lower>},
    {"lstrip", strip<true, false>},
    {"partition", partition<false>},
    {"removeprefix", without<false>},
    {"removesuffix", without<true>},
    {"replace", replace},
    {"rfind", find<true, false>},
    {"rindex", find<true, true>},
    {"rjust", aligned<'>'>},
    {"rpartition", partition<true>},
    {"rsplit", split<true>},
    {"rstrip", strip<false, true>},
    {"split", split<false>},
    {"splitlines", lines},
    {"startswith", begins<false>},
    {"strip", strip<true, true>},
    {"swapcase", changed<swapped>},
    {"title", changed<titled>},
    {"upper", changed<upper>},
}};

const TextMethod* method_of(std::string_view name) {
    const auto at = std::find_if(kMethods.begin(), kMethods.end(), [&](const TextMethod& m) { return m.name == name; });
    return at == kMethods.end() ? nullptr : &*at;
}

}  // namespace

bool is_text_method(std::string_view name) { return name == "zfill" || method_of(name) != nullptr; }

Value call_text_method(Heap& heap, const Value& text, std::string_view name, const Arguments& arguments) {
    if (name == "zfill") return aligned<'='>(heap, text, arguments);
    return method_of(name)->call(heap, text, arguments);
}

Value replaced(Heap& heap, const Value& text, std::string_view from, std::string_view to, std::int64_t count) {
    const std::string_view whole = *text.text();
    TextBuilder out(heap);
    heap.work_on_bytes(whole.size());
    std::size_t begin = 0;
    if (from.empty()) {  // between all characters
        while (count-- != 0) {
            out.append(to);
            heap.work();
            if (begin == whole.size()) return make_text(out, text.is_markup());
            out.append(whole.substr(begin, code_point_length(whole[begin])));
            begin += code_point_length(whole[begin]);
        }
    }
    for (std::size_t at = 0;
         !from.empty() && count-- != 0 && (at = find_in(whole, from, begin)) != std::string_view::npos;) {
        heap.work();
        out.append(whole.substr(begin, at - begin));
        out.append(to);
        begin = at + from.size();
    }
    out.append(whole.substr(begin));
    return make_text(out, text.is_markup());
}

std::string titled(std::string_view text) {
    std::string out;
    bool in_word = false;
    for (; !text.empty(); text.remove_prefix(code_point_length(text[0]))) {
        const std::string_view c = text.substr(0, code_point_length(text[0]));
        out += in_word ? lower(c) : capitalized(c);
        in_word = is_letter(code_point_of(text));
    }
    return out;
}

}  // namespace vitro::jinja
