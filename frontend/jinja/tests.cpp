#include "base/error.h"
#include "frontend/jinja/filters.h"
#include "frontend/jinja/operators.h"
#include "frontend/jinja/text.h"
#include "frontend/json.h"

#include <algorithm>
#include <array>

namespace vitro::jinja {
namespace {

using TestCall = bool (*)(Heap& heap, const Value& value, const Arguments& arguments);
struct Test {
    std::string_view name;
    TestCall call;
};

const Value& operand(const Arguments& arguments) { return *arguments.bind("a test", {"other"}, 1)[0]; }

std::int64_t remainder(Heap& heap, const Value& value, const Value& divisor) {
    const auto rest = binary(heap, "%", value, divisor).number();
    if (!rest) fail("expected a number, found {}", described_type(value));
    return *rest == 0 ? 0 : 1;
}

bool is_iterable(const Value& value) { return length_of(value).has_value() || value.is<Iterator>(); }
bool is_sequence(const Value& value) {
    return value.text() != nullptr || value.is<Sequence>() || value.is<Dict>() || value.is<Range>() ||
           value.is<Undefined>();
}
bool is_callable(const Value& value) {
    return value.is<Method>() || value.is<const Function*>() || value.is<Macro>() || value.is<Undefined>() ||
           value.is<Loop>();
}
template <bool (*is)(char32_t), bool (*is_not)(char32_t)>
bool is_case(Heap& heap, const Value& value, const Arguments&) {
    if (value.text() == nullptr) fail("expected a text, found {}", described_type(value));
    heap.work_on_bytes(8 * value.text()->size());
    bool some = false;
    for (std::string_view rest = *value.text(); !rest.empty(); rest.remove_prefix(code_point_length(rest[0]))) {
        if (is_not(code_point_of(rest))) return false;
        some |= is(code_point_of(rest));
    }
    return some;
}
/// One and the same: containers are not when they are only equal.
bool same(Heap& heap, const Value& a, const Value& b) {
    if (a.storage().index() != b.storage().index()) return false;
    if (a.is<Sequence>()) return *a.get<Sequence>() == *b.get<Sequence>();
    if (a.is<Dict>()) return *a.get<Dict>() == *b.get<Dict>();
    return equal(heap, a, b);
}

template <auto held>
bool is_kind(Heap&, const Value& value, const Arguments&) {
    return held(value);
}
template <class T>
bool is(const Value& value) {
    return value.is<T>();
}

bool equals(Heap& heap, const Value& value, const Arguments& a) { return equal(heap, value, operand(a)); }
bool differs(Heap& heap, const Value& value, const Arguments& a) { return !equal(heap, value, operand(a)); }
bool is_less(Heap& heap, const Value& value, const Arguments& a) { return compare(heap, value, operand(a)) < 0; }
bool is_at_most(Heap& heap, const Value& value, const Arguments& a) { return compare(heap, value, operand(a)) <= 0; }
bool is_more(Heap& heap, const Value& value, const Arguments& a) { return compare(heap, value, operand(a)) > 0; }
bool is_at_least(Heap& heap, const Value& value, const Arguments& a) { return compare(heap, value, operand(a)) >= 0; }

constexpr auto kTests = std::to_array<Test>({
    {"!=", differs},
    {"<", is_less},
    {"<=", is_at_most},
    {"==", equals},
    {">", is_more},
    {">=", is_at_least},
    {"boolean", is_kind<is<bool>>},
    {"callable", is_kind<is_callable>},
    {"defined", [](Heap&, const Value& value, const Arguments&) { return !value.is<Undefined>(); }},
    {"divisibleby",
     [](Heap& heap, const Value& value, const Arguments& a) { return remainder(heap, value, operand(a)) == 0; }},
    {"eq", equals},
    {"equalto", equals},
    {"escaped", [](Heap&, const Value& value, const Arguments&) { return value.is_markup(); }},
    {"even",
     [](Heap& heap, const Value& value, const Arguments&) { return remainder(heap, value, std::int64_t{2}) == 0; }},
    {"false", [](Heap&, const Value& value, const Arguments&) { return value.is<bool>() && !truth(value); }},
    {"filter",
     [](Heap&, const Value& value, const Arguments&) { return value.text() != nullptr && has_filter(*value.text()); }},
    {"float", is_kind<is<double>>},
    {"ge", is_at_least},
    {"greaterthan", is_more},
    {"gt", is_more},
    {"in", [](Heap& heap, const Value& value, const Arguments& a) { return contains(heap, operand(a), value); }},
    {"integer", is_kind<is<std::int64_t>>},
    {"iterable", is_kind<is_iterable>},
    {"le", is_at_most},
    {"lessthan", is_less},
    {"lower", is_case<is_lower, is_upper>},
    {"lt", is_less},
    {"mapping", is_kind<is<Dict>>},
    {"ne", differs},
    {"none", is_kind<is<None>>},
    {"number", [](Heap&, const Value& value, const Arguments&) { return value.number().has_value(); }},
    {"odd", [](Heap& heap, const Value& value,
               const Arguments&) { return equal(heap, binary(heap, "%", value, std::int64_t{2}), std::int64_t{1}); }},
    {"sameas", [](Heap& heap, const Value& value, const Arguments& a) { return same(heap, value, operand(a)); }},
    {"sequence", is_kind<is_sequence>},
    {"string", [](Heap&, const Value& value, const Arguments&) { return value.text() != nullptr; }},
    {"test",
     [](Heap&, const Value& value, const Arguments&) { return value.text() != nullptr && has_test(*value.text()); }},
    {"true", [](Heap&, const Value& value, const Arguments&) { return value.is<bool>() && truth(value); }},
    {"undefined", is_kind<is<Undefined>>},
    {"upper", is_case<is_upper, is_lower>},
});

const Test* find_test(std::string_view name) {
    const auto at = std::find_if(kTests.begin(), kTests.end(), [&](const Test& test) { return test.name == name; });
    return at == kTests.end() ? nullptr : &*at;
}

}  // namespace

bool has_test(std::string_view name) { return find_test(name) != nullptr; }

bool apply_test(Heap& heap, std::string_view name, const Value& value, const Arguments& arguments) {
    heap.work();
    const Test* test = find_test(name);
    if (test == nullptr) fail("no test named {}", quote(name));
    return test->call(heap, value, arguments);
}

}  // namespace vitro::jinja
