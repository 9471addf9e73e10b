#include "frontend/jinja/value.h"

#include "base/error.h"
#include "frontend/jinja/text.h"

#include <algorithm>
#include <type_traits>

namespace vitro::jinja {
namespace {

/// Deeper values than any model's tools have; recursion over values ends here.
constexpr int kMaxDepth = 100;

int depth_of(const Value& value) {
    return std::visit(
        [](const auto& held) -> int {
            using T = std::decay_t<decltype(held)>;
            if constexpr (requires { held->depth; })
                return held->depth;
            else if constexpr (std::is_same_v<T, View>)
                return held.dict->depth + 1;
            else
                return 0;
        },
        value.storage());
}

int depth_with(int depth, const Value& item) {
    const int deeper = std::max(depth, depth_of(item) + 1);
    if (deeper > kMaxDepth) fail("expected values nested at most {} deep, found deeper ones", kMaxDepth);
    return deeper;
}

int depth_around(const std::vector<Value>& items) {
    int depth = 1;
    for (const Value& item : items) depth = depth_with(depth, item);
    return depth;
}

int depth_around(const std::vector<std::pair<Value, Value>>& members) {
    int depth = 1;
    for (const auto& [key, value] : members) depth = depth_with(depth_with(depth, key), value);
    return depth;
}

bool is_ascii(std::string_view bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

void require_hashable(const Value& key) {
    const Sequence* sequence = key.get<Sequence>();
    const bool list = sequence != nullptr && !(*sequence)->tuple;
    if (list || key.is<Dict>()) fail("expected a key that can be hashed, found a {}", type_name(key));
    if (sequence != nullptr) std::for_each((*sequence)->items.begin(), (*sequence)->items.end(), require_hashable);
}

Charge charge_of_items(Heap& heap, std::size_t count, std::size_t each) {
    heap.work_on_values(count);
    return {heap, 128 + count * each};
}

}  // namespace

Value Value::text(std::string bytes) {
    const bool ascii = is_ascii(bytes);
    return Text(std::make_shared<TextBody>(TextBody{std::move(bytes), false, ascii, {}}));
}

Value Value::list(std::vector<Value> items) {
    const int depth = depth_around(items);
    return Sequence(std::make_shared<SequenceBody>(SequenceBody{std::move(items), false, depth, {}}));
}

Value Value::dict(std::vector<std::pair<Value, Value>> members) {
    const int depth = depth_around(members);
    return Dict(std::make_shared<DictBody>(DictBody{std::move(members), depth, {}}));
}

Value Value::undefined(std::string why) { return Undefined{std::make_shared<const std::string>(std::move(why))}; }

Value Value::of(const JsonValue& json) {
    if (json.is_null()) return None{};
    if (json.is_boolean()) return json.boolean();
    if (json.is_integer()) return json.integer();
    if (json.is_number()) return json.number();
    if (json.is_string()) return text(std::string(json.string()));
    if (json.is_array()) {
        std::vector<Value> items;
        for (const JsonValue& item : json.array()) items.push_back(of(item));
        return list(std::move(items));
    }
    std::vector<std::pair<Value, Value>> members;
    for (const auto& [key, value] : json.members()) members.emplace_back(text(std::string(key)), of(value));
    return dict(std::move(members));
}

const std::string* Value::text() const {
    const Text* held = get<Text>();
    return held == nullptr ? nullptr : &(*held)->bytes;
}

std::optional<std::int64_t> Value::integer() const {
    if (const auto* held = get<std::int64_t>()) return *held;
    if (const auto* held = get<bool>()) return *held ? 1 : 0;
    return std::nullopt;
}

std::optional<double> Value::number() const {
    if (const auto* held = get<double>()) return *held;
    if (const auto held = integer()) return static_cast<double>(*held);
    return std::nullopt;
}

bool Value::is_markup() const {
    const Text* held = get<Text>();
    return held != nullptr && (*held)->markup;
}

const Value* DictBody::find(Heap& heap, const Value& key) const {
    heap.work(members.size() / 2);
    for (const auto& [own, value] : members)
        if (equal(heap, own, key)) return &value;
    return nullptr;
}

std::vector<const Value*> Arguments::bind(std::string_view function, std::initializer_list<std::string_view> names,
                                          std::size_t required) const {
    if (positional.size() > names.size())
        fail("{}: expected at most {} arguments, found {}", function, names.size(), positional.size());
    std::vector<const Value*> bound(names.size(), nullptr);
    for (std::size_t i = 0; i < positional.size(); ++i) bound[i] = &positional[i];
    for (const auto& [name, value] : named) {
        const auto at = std::find(names.begin(), names.end(), name);
        if (at == names.end()) fail("{}: it has no argument {}", function, quote(name));
        const Value*& place = bound[static_cast<std::size_t>(at - names.begin())];
        if (place != nullptr) fail("{}: the argument {} is given twice", function, quote(name));
        place = &value;
    }
    for (std::size_t i = 0; i < required; ++i)
        if (bound[i] == nullptr) fail("{}: expected the argument {}, found none", function, quote(names.begin()[i]));
    return bound;
}

Value make_text(Heap& heap, std::string bytes, bool markup) {
    heap.work_on_bytes(bytes.size());
    Charge charge(heap, 128 + bytes.size());
    const bool ascii = is_ascii(bytes);
    return Text(std::make_shared<TextBody>(TextBody{std::move(bytes), markup, ascii, std::move(charge)}));
}

Value make_text(TextBuilder& builder, bool markup) { return make_text(builder.heap(), builder.take(), markup); }

Value make_list(Heap& heap, std::vector<Value> items, bool tuple) {
    Charge charge = charge_of_items(heap, items.size(), sizeof(Value));
    const int depth = depth_around(items);
    return Sequence(std::make_shared<SequenceBody>(SequenceBody{std::move(items), tuple, depth, std::move(charge)}));
}

Value make_dict(Heap& heap, std::vector<std::pair<Value, Value>> members) {
    Charge charge = charge_of_items(heap, members.size(), 2 * sizeof(Value));
    DictBody body{{}, depth_around(members), std::move(charge)};
    for (auto& [key, value] : members) {
        require_hashable(key);
        if (const Value* before = body.find(heap, key))
            const_cast<Value&>(*before) = std::move(value);
        else
            body.members.emplace_back(std::move(key), std::move(value));
    }
    return Dict(std::make_shared<DictBody>(std::move(body)));
}

Value make_iterator(Heap& heap, std::vector<Value> items, std::string_view kind, std::string failure) {
    Charge charge = charge_of_items(heap, items.size(), sizeof(Value));
    const int depth = depth_around(items);
    return Iterator(std::make_shared<IteratorBody>(
        IteratorBody{std::move(items), kind, 0, std::move(failure), depth, std::move(charge)}));
}

Loop make_loop(Heap& heap, std::vector<Value> items) {
    Charge charge = charge_of_items(heap, items.size(), sizeof(Value));
    const int depth = depth_around(items);
    return std::make_shared<LoopBody>(LoopBody{std::move(items), 0, depth, std::move(charge)});
}

Value make_method(const Value& receiver, std::string name) {
    const int depth = depth_with(1, receiver);
    return Method(std::make_shared<MethodBody>(MethodBody{receiver, std::move(name), depth}));
}

bool truth(const Value& value) {
    if (value.is<None>() || value.is<Undefined>()) return false;
    if (const auto number = value.number()) return *number != 0;
    return length_of(value).value_or(1) != 0;
}

std::optional<std::int64_t> length_of(const Value& value) {
    const auto size = [](const auto& items) { return static_cast<std::int64_t>(items.size()); };
    if (const auto* held = value.get<Text>()) {
        return (*held)->ascii ? size((*held)->bytes) : code_point_count((*held)->bytes);
    }
    if (const auto* held = value.get<Sequence>()) return size((*held)->items);
    if (const auto* held = value.get<Dict>()) return size((*held)->members);
    if (const auto* held = value.get<View>()) return size(held->dict->members);
    if (const auto* held = value.get<Loop>()) return size((*held)->items);
    if (const auto* held = value.get<Range>()) return held->size;
    if (value.is<Undefined>()) return 0;
    return std::nullopt;
}

std::vector<Value> items_of(Heap& heap, const Value& value) {
    std::vector<Value> items;
    if (const auto* text = value.text()) {
        for (std::size_t at = 0; at < text->size();) {
            const std::size_t length = code_point_length((*text)[at]);
            items.push_back(make_text(heap, text->substr(at, length), value.is_markup()));
            at += length;
        }
    } else if (const auto* sequence = value.get<Sequence>()) {
        items = (*sequence)->items;
    } else if (const auto* range = value.get<Range>()) {
        for (std::int64_t i = 0; i < range->size; ++i) items.emplace_back(range->at(i));
    } else if (const auto* iterator = value.get<Iterator>()) {
        IteratorBody& body = **iterator;
        items.assign(body.items.begin() + static_cast<std::ptrdiff_t>(body.next), body.items.end());
        body.next = body.items.size();
        if (!body.failure.empty()) fail("{}", body.failure);
    } else if (value.is<Dict>() || value.is<View>()) {
        const View* view = value.get<View>();
        const View::Part part = view != nullptr ? view->part : View::Part::keys;
        for (const auto& [key, member] : (view != nullptr ? view->dict : *value.get<Dict>())->members) {
            if (part == View::Part::items)
                items.push_back(make_list(heap, {key, member}, true));
            else
                items.push_back(part == View::Part::keys ? key : member);
        }
    } else if (!value.is<Undefined>()) {
        fail("expected a value with items, such as a list, found {}", described_type(value));
    }
    heap.work_on_values(items.size());
    return items;
}

bool equal(Heap& heap, const Value& a, const Value& b) {
    if (const auto x = a.number()) {
        const auto y = b.number();
        if (a.integer() && b.integer()) return a.integer() == b.integer();
        return y && *x == *y;
    }
    if (const std::string* x = a.text()) {
        const std::string* y = b.text();
        if (y == nullptr || x->size() != y->size()) return false;
        heap.work_on_bytes(x->size());
        return *x == *y;
    }
    if (a.storage().index() != b.storage().index()) return false;
    const auto all_equal = [&](const std::vector<Value>& x, const std::vector<Value>& y) {
        heap.work(1 + x.size() / 2);
        return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                          [&](const Value& p, const Value& q) { return equal(heap, p, q); });
    };
    if (const auto* x = a.get<Sequence>()) {
        const Sequence& y = *b.get<Sequence>();
        return (*x)->tuple == y->tuple && all_equal((*x)->items, y->items);
    }
    if (const auto* x = a.get<Dict>()) {
        const Dict& y = *b.get<Dict>();
        if ((*x)->members.size() != y->members.size()) return false;
        heap.work();
        return std::all_of((*x)->members.begin(), (*x)->members.end(), [&](const auto& member) {
            const Value* other = y->find(heap, member.first);
            return other != nullptr && equal(heap, member.second, *other);
        });
    }
    if (const auto* x = a.get<Range>()) {
        const Range& y = *b.get<Range>();
        return x->size == y.size && (x->size == 0 || (x->start == y.start && (x->size == 1 || x->step == y.step)));
    }
    if (a.is<View>()) return all_equal(items_of(heap, a), items_of(heap, b));
    return std::visit(
        [&]<class T>(const T& x) {
            if constexpr (std::is_same_v<T, None> || std::is_same_v<T, Undefined>)
                return true;
            else if constexpr (std::is_same_v<T, Method>)
                return x->name == (*b.get<T>())->name && equal(heap, x->receiver, (*b.get<T>())->receiver);
            else if constexpr (requires { x == x; })
                return x == *b.get<T>();
            else
                return false;
        },
        a.storage());
}

int compare(Heap& heap, const Value& a, const Value& b) {
    require_defined(a);
    require_defined(b);
    const auto sign = [](const auto& x, const auto& y) { return x < y ? -1 : (y < x ? 1 : 0); };
    if (a.integer() && b.integer()) return sign(*a.integer(), *b.integer());
    if (a.number() && b.number()) return sign(*a.number(), *b.number());
    if (a.text() != nullptr && b.text() != nullptr) {
        heap.work_on_bytes(std::min(a.text()->size(), b.text()->size()));
        return a.text()->compare(*b.text());  // UTF-8 sorts as its code points do
    }
    const Sequence *x = a.get<Sequence>(), *y = b.get<Sequence>();
    if (x == nullptr || y == nullptr || (*x)->tuple != (*y)->tuple) {
        fail("expected two values that can be ordered, found {} and {}", described_type(a), described_type(b));
    }
    const std::size_t common = std::min((*x)->items.size(), (*y)->items.size());
    heap.work(1 + common / 2);
    for (std::size_t i = 0; i < common; ++i) {
        if (!equal(heap, (*x)->items[i], (*y)->items[i])) return compare(heap, (*x)->items[i], (*y)->items[i]);
    }
    return sign((*x)->items.size(), (*y)->items.size());
}

bool contains(Heap& heap, const Value& b, const Value& a) {
    if (const std::string* text = b.text()) {
        require_defined(a);
        if (a.text() == nullptr) fail("expected a text to look for in a text, found {}", described_type(a));
        heap.work_on_bytes(text->size() + a.text()->size());
        return find_in(*text, *a.text()) != std::string_view::npos;
    }
    if (const Dict* dict = b.get<Dict>()) {
        require_hashable(a);
        return (*dict)->find(heap, a) != nullptr;
    }
    if (const Range* range = b.get<Range>()) {
        heap.work_on_values(static_cast<std::size_t>(range->size));
        for (std::int64_t i = 0; i < range->size && a.number(); ++i)
            if (*a.number() == static_cast<double>(range->at(i))) return true;
        return false;
    }
    heap.work();
    if (const Sequence* sequence = b.get<Sequence>()) {
        heap.work((*sequence)->items.size() / 2);
        return std::any_of((*sequence)->items.begin(), (*sequence)->items.end(),
                           [&](const Value& item) { return equal(heap, item, a); });
    }
    const std::vector<Value> items = items_of(heap, b);
    return std::any_of(items.begin(), items.end(), [&](const Value& item) { return equal(heap, item, a); });
}

std::string_view type_name(const Value& value) {
    if (const auto* sequence = value.get<Sequence>()) return (*sequence)->tuple ? "tuple" : "list";
    if (const auto* iterator = value.get<Iterator>()) return (*iterator)->kind;
    if (const auto* view = value.get<View>()) {
        constexpr std::string_view kNames[] = {"dict_keys", "dict_values", "dict_items"};
        return kNames[static_cast<std::size_t>(view->part)];
    }
    if (value.is_markup()) return "Markup";
    constexpr std::string_view kNames[] = {
        "NoneType", "Undefined", "bool",  "int",       "float",     "str",         "list",
        "dict",     "dict_keys", "range", "generator", "Namespace", "LoopContext", "builtin_function_or_method",
        "function", "Macro"};
    static_assert(std::size(kNames) == std::variant_size_v<Value::Storage>);
    return kNames[value.storage().index()];
}

std::string described_type(const Value& value) {
    if (value.is<None>()) return "None";
    return fmt::format("'{} object'", type_name(value));
}

void refuse_undefined(const Undefined& undefined) { fail("{}", *undefined.why); }

}  // namespace vitro::jinja
