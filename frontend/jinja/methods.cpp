#include "frontend/jinja/methods.h"

#include "base/error.h"
#include "frontend/jinja/text_methods.h"

#include <algorithm>
#include <array>
#include <span>

namespace vitro::jinja {
namespace {

constexpr std::array<std::string_view, 5> kDictMethods{"copy", "get", "items", "keys", "values"};
constexpr std::array<std::string_view, 5> kDictChanges{"clear", "pop", "popitem", "setdefault", "update"};
constexpr std::array<std::string_view, 3> kListMethods{"copy", "count", "index"};
constexpr std::array<std::string_view, 8> kListChanges{"append", "clear",  "extend",  "insert",
                                                       "pop",    "remove", "reverse", "sort"};

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

Value kept_back(const Value& object, std::string_view name) {
    return Value::undefined(fmt::format("access to attribute {} of {} is unsafe", quote(name), described_type(object)));
}

std::optional<Value> of_loop(const Loop& loop, std::string_view name) {
    const auto index = static_cast<std::int64_t>(loop->index), size = static_cast<std::int64_t>(loop->items.size());
    const auto item = [&](std::int64_t at, std::string_view why) {
        return at >= 0 && at < size ? loop->items[static_cast<std::size_t>(at)] : Value::undefined(std::string(why));
    };
    if (name == "index") return Value(index + 1);
    if (name == "index0") return Value(index);
    if (name == "revindex") return Value(size - index);
    if (name == "revindex0") return Value(size - index - 1);
    if (name == "first") return Value(index == 0);
    if (name == "last") return Value(index + 1 == size);
    if (name == "length") return Value(size);
    if (name == "depth") return Value(std::int64_t{1});
    if (name == "depth0") return Value(std::int64_t{0});
    if (name == "previtem") return item(index - 1, "there is no previous item");
    if (name == "nextitem") return item(index + 1, "there is no next item");
    if (name == "cycle") return make_method(loop, std::string(name));
    if (name == "changed") fail("loop.changed is not supported");
    return std::nullopt;
}

Value call_of_dict(Heap& heap, const Dict& dict, std::string_view name, const Arguments& arguments) {
    if (name == "get") {
        if (!arguments.named.empty()) fail("get: it takes no named arguments");
        const auto given = arguments.bind(name, {"key", "default"}, 1);
        if (const Value* found = dict->find(heap, *given[0])) return *found;
        return given[1] == nullptr ? Value() : *given[1];
    }
    arguments.bind(name, {});
    if (name == "copy") return dict;
    if (name == "items") return View{dict, View::Part::items};
    return View{dict, name == "keys" ? View::Part::keys : View::Part::values};
}

Value call_of_sequence(Heap& heap, const Sequence& sequence, std::string_view name, const Arguments& arguments) {
    if (name == "copy") return sequence;
    const Value& wanted = *arguments.bind(name, {"value"}, 1)[0];
    std::int64_t count = 0;
    for (std::size_t i = 0; i < sequence->items.size(); ++i) {
        heap.work();
        if (!equal(heap, sequence->items[i], wanted)) continue;
        if (name == "index") return static_cast<std::int64_t>(i);
        ++count;
    }
    if (name == "index") fail("index: expected a value of the list, found another");
    return count;
}

}  // namespace

std::optional<Value> own_attribute(Heap& heap, const Value& object, std::string_view name) {
    if (const auto* space = object.get<Namespace>()) {
        heap.work_on_values((*space)->attributes.size());
        if (!name.starts_with("_"))
            for (const auto& [own, value] : (*space)->attributes)
                if (own == name) return value;
    }
    if (name.starts_with("__") && name.ends_with("__")) return kept_back(object, name);
    if (const Loop* loop = object.get<Loop>()) return of_loop(*loop, name);
    const auto method = [&]() -> std::optional<Value> { return make_method(object, std::string(name)); };
    if (object.text() != nullptr && is_text_method(name)) return method();
    if (object.is<Dict>()) {
        if (is_one_of(name, kDictMethods)) return method();
        if (is_one_of(name, kDictChanges)) return kept_back(object, name);
    }
    if (const Sequence* sequence = object.get<Sequence>()) {
        if (is_one_of(name, kListMethods) && !((*sequence)->tuple && name == "copy")) return method();
        if (is_one_of(name, kListChanges) && !(*sequence)->tuple) return kept_back(object, name);
    }
    return std::nullopt;
}

Value call_method(Heap& heap, const MethodBody& method, const Arguments& arguments) {
    if (const Dict* dict = method.receiver.get<Dict>()) return call_of_dict(heap, *dict, method.name, arguments);
    if (const Sequence* sequence = method.receiver.get<Sequence>())
        return call_of_sequence(heap, *sequence, method.name, arguments);
    if (const Loop* loop = method.receiver.get<Loop>()) {
        if (arguments.positional.empty()) fail("cycle: expected values to choose from, found none");
        return arguments.positional[(*loop)->index % arguments.positional.size()];
    }
    return call_text_method(heap, method.receiver, method.name, arguments);
}

}  // namespace vitro::jinja
