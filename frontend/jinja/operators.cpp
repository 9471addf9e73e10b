#include "frontend/jinja/operators.h"

#include "base/error.h"
#include "frontend/jinja/format.h"
#include "frontend/jinja/methods.h"
#include "frontend/jinja/text.h"

#include <algorithm>
#include <cmath>

namespace vitro::jinja {
namespace {

[[noreturn]] void refuse(std::string_view op, const Value& a, const Value& b) {
    require_defined(a);
    require_defined(b);
    fail("expected values that {} takes, found {} and {}", op, described_type(a), described_type(b));
}

/// `result`, by reference since the call that says whether it overflowed writes it.
std::int64_t exact(bool overflowed, const std::int64_t& result) {
    if (overflowed) fail("expected integers of at most 64 bits, found a result that is larger");
    return result;
}

std::int64_t floor_quotient(std::int64_t a, std::int64_t b) {
    const std::int64_t quotient = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

std::int64_t power(std::int64_t base, std::int64_t exponent) {
    std::int64_t result = 1;
    if (base == 0 || base == 1) return exponent == 0 ? 1 : base;
    if (base == -1) return exponent % 2 == 0 ? 1 : -1;
    for (; exponent > 0; --exponent) result = exact(__builtin_mul_overflow(result, base, &result), result);
    return result;
}

Value of_integers(std::string_view op, std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    if (op == "+") return exact(__builtin_add_overflow(a, b, &result), result);
    if (op == "-") return exact(__builtin_sub_overflow(a, b, &result), result);
    if (op == "*") return exact(__builtin_mul_overflow(a, b, &result), result);
    if (op == "**") {
        if (b < 0) return std::pow(static_cast<double>(a), static_cast<double>(b));
        return power(a, b);
    }
    if (b == 0) fail("expected a divisor other than 0");
    if (op == "/") return static_cast<double>(a) / static_cast<double>(b);
    if (b == -1) return op == "%" ? 0 : exact(__builtin_sub_overflow(std::int64_t{0}, a, &result), result);
    const std::int64_t quotient = floor_quotient(a, b);
    return op == "//" ? quotient : a - quotient * b;
}

Value of_floats(std::string_view op, double a, double b) {
    if (op == "+") return a + b;
    if (op == "-") return a - b;
    if (op == "*") return a * b;
    if (op == "**") return std::pow(a, b);
    if (b == 0) fail("expected a divisor other than 0");
    if (op == "/") return a / b;
    double remainder = std::fmod(a, b);
    if (remainder != 0 && (b < 0) != (remainder < 0)) remainder += b;
    if (op == "%") return remainder;
    return std::floor((a - remainder) / b + 0.5);
}

Value joined(Heap& heap, const Value& a, const Value& b) {
    const bool markup = a.is_markup() || b.is_markup();
    TextBuilder out(heap);
    for (const Value* part : {&a, &b})
        markup && !part->is_markup() ? append_html(out, *part->text()) : out.append(*part->text());
    return make_text(out, markup);
}

Value repeated(Heap& heap, const Value& value, std::int64_t times) {
    times = std::max<std::int64_t>(times, 0);
    if (const std::string* text = value.text()) {
        if (text->empty()) return value;
        TextBuilder out(heap);
        if (text->size() == 1) {
            out.append(static_cast<std::size_t>(times), (*text)[0]);
            times = 0;
        }
        for (; times > 0; --times) {
            heap.work();
            out.append(*text);
        }
        return make_text(out, value.is_markup());
    }
    const SequenceBody& body = **value.get<Sequence>();
    if (body.items.empty()) return value;
    std::vector<Value> items;
    for (; times > 0; --times) {
        heap.work(1 + body.items.size() / 8);
        const Charge room(heap, (items.size() + body.items.size()) * sizeof(Value));
        items.insert(items.end(), body.items.begin(), body.items.end());
    }
    return make_list(heap, std::move(items), body.tuple);
}

/// An index into `size` items, counted from the end where negative.
std::optional<std::size_t> place(std::int64_t index, std::int64_t size) {
    if (index < 0) index += size;
    if (index < 0 || index >= size) return std::nullopt;
    return static_cast<std::size_t>(index);
}

/// object[key] for what has items, or nothing.
std::optional<Value> own_item(Heap& heap, const Value& object, const Value& key) {
    if (const Dict* dict = object.get<Dict>()) {
        const Value* found = (*dict)->find(heap, key);
        return found == nullptr ? std::nullopt : std::optional<Value>(*found);
    }
    const auto index = key.integer();
    if (!index) return std::nullopt;
    const auto size = length_of(object);
    const auto at = size ? place(*index, *size) : std::nullopt;
    if (!at) return std::nullopt;
    if (const std::string* text = object.text()) {
        heap.work_on_bytes(text->size());
        const bool ascii = (*object.get<Text>())->ascii;
        const std::size_t begin = ascii ? *at : byte_of(*text, static_cast<std::int64_t>(*at));
        return make_text(heap, text->substr(begin, code_point_length((*text)[begin])), object.is_markup());
    }
    if (const Sequence* sequence = object.get<Sequence>()) return (*sequence)->items[*at];
    if (const Range* range = object.get<Range>()) return Value(range->at(static_cast<std::int64_t>(*at)));
    return std::nullopt;
}

Value missing(const Value& object, const Value& key) {
    if (const std::string* name = key.text())
        return Value::undefined(fmt::format("{} has no attribute {}", described_type(object), quote(*name)));
    const auto index = key.integer();
    return Value::undefined(fmt::format("{} has no element {}", described_type(object),
                                        index ? std::to_string(*index) : described_type(key)));
}

}  // namespace

Value binary(Heap& heap, std::string_view op, const Value& a, const Value& b) {
    if (a.integer() && b.integer()) return of_integers(op, *a.integer(), *b.integer());
    if (a.number() && b.number()) return of_floats(op, *a.number(), *b.number());
    if (op == "%" && a.text() != nullptr) {
        require_defined(b);
        return make_text(heap, format_percent(heap, *a.text(), b), a.is_markup());
    }
    if (op == "+") {
        if (a.text() != nullptr && b.text() != nullptr) return joined(heap, a, b);
        const Sequence *x = a.get<Sequence>(), *y = b.get<Sequence>();
        if (x != nullptr && y != nullptr && (*x)->tuple == (*y)->tuple) {
            const Charge room(heap, ((*x)->items.size() + (*y)->items.size()) * sizeof(Value));
            std::vector<Value> items = (*x)->items;
            items.insert(items.end(), (*y)->items.begin(), (*y)->items.end());
            return make_list(heap, std::move(items), (*x)->tuple);
        }
    }
    if (op == "*") {
        const auto repeats = [](const Value& value) { return value.text() != nullptr || value.is<Sequence>(); };
        if (repeats(a) && b.integer()) return repeated(heap, a, *b.integer());
        if (repeats(b) && a.integer()) return repeated(heap, b, *a.integer());
    }
    refuse(op, a, b);
}

Value negative(Heap& heap, const Value& value) {
    if (const double* number = value.get<double>()) return -*number;
    return binary(heap, "-", std::int64_t{0}, value);
}

Value attribute_of(Heap& heap, const Value& object, std::string_view name) {
    require_defined(object);
    if (auto own = own_attribute(heap, object, name)) return *own;
    if (const Dict* dict = object.get<Dict>()) {
        heap.work_on_values((*dict)->members.size());
        for (const auto& [key, value] : (*dict)->members)
            if (key.text() != nullptr && *key.text() == name) return value;
    }
    return missing(object, Value::text(std::string(name)));
}

Value item_of(Heap& heap, const Value& object, const Value& key) {
    require_defined(object);
    if (auto item = own_item(heap, object, key)) return *item;
    if (const std::string* name = key.text())
        if (auto own = own_attribute(heap, object, *name)) return *own;
    return missing(object, key);
}

Value item_at_path(Heap& heap, const Value& object, const Value& path) {
    const std::string* text = path.text();
    if (text == nullptr) return item_of(heap, object, path);
    Value found = object;
    for (std::string_view rest = *text;;) {
        const std::size_t dot = std::min(rest.find('.'), rest.size());
        const std::string_view part = rest.substr(0, dot);
        const bool digits = !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
        const auto index = digits ? parse_integer(part) : std::nullopt;
        found = item_of(heap, found, index ? Value(*index) : Value::text(std::string(part)));
        if (dot == rest.size()) return found;
        rest.remove_prefix(dot + 1);
    }
}

Value slice_of(Heap& heap, const Value& object, const Value& start, const Value& stop, const Value& step) {
    require_defined(object);
    const bool text = object.text() != nullptr;
    if (!text && !object.is<Sequence>() && !object.is<Range>())
        fail("expected a text or list to take a slice of, found {}", described_type(object));
    const auto bound = [](const Value& value) -> std::optional<std::int64_t> {
        require_defined(value);
        if (value.is<None>()) return std::nullopt;
        if (!value.integer()) fail("expected integers in a slice, found {}", described_type(value));
        return value.integer();
    };
    const std::int64_t size = *length_of(object);
    const std::int64_t stride = bound(step).value_or(1);
    if (stride == 0) fail("expected a slice's step other than 0");
    const bool forward = stride > 0;
    const std::int64_t low = forward ? 0 : -1, high = forward ? size : size - 1;
    const auto clamped = [&](std::optional<std::int64_t> given, std::int64_t otherwise) {
        if (!given) return otherwise;
        return std::clamp(*given < 0 ? *given + size : *given, low, high);
    };
    const std::int64_t begin = clamped(bound(start), forward ? low : high),
                       end = clamped(bound(stop), forward ? high : low);
    if (text && stride == 1) {
        const std::string& bytes = *object.text();
        heap.work_on_bytes(bytes.size());
        const bool ascii = (*object.get<Text>())->ascii;
        const auto byte = [&](std::int64_t index) {
            return ascii ? static_cast<std::size_t>(index) : byte_of(bytes, index);
        };
        const std::size_t from = byte(begin), to = std::max(from, byte(end));
        return make_text(heap, bytes.substr(from, to - from), object.is_markup());
    }
    const std::vector<Value> items = items_of(heap, object);
    std::vector<Value> chosen;
    for (std::int64_t i = begin; forward ? i < end : i > end;) {
        chosen.push_back(items[static_cast<std::size_t>(i)]);
        if (__builtin_add_overflow(i, stride, &i)) break;
    }
    if (!text) return make_list(heap, std::move(chosen), object.is<Sequence>() && (*object.get<Sequence>())->tuple);
    TextBuilder out(heap);
    for (const Value& item : chosen) out.append(*item.text());
    return make_text(out, object.is_markup());
}

}  // namespace vitro::jinja
