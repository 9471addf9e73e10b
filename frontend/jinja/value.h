// The values of Jinja: Python's, as far as templates see them. Texts are UTF-8 and count in code points; dicts keep
// their order. Values are shared and never change, but for namespaces and iterators.
#pragma once

#include "frontend/jinja/heap.h"
#include "frontend/json.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace vitro::jinja {

class Value;
struct TextBody;
struct SequenceBody;
struct DictBody;
struct IteratorBody;
struct NamespaceBody;
struct LoopBody;
struct MethodBody;
struct MacroBody;
struct Arguments;

/// What a missing name or attribute is: empty when printed, an Error when used for anything else.
struct Undefined {
    std::shared_ptr<const std::string> why;  // "'x' is undefined"
};
struct None {};
/// range(start, stop, step); step is not 0.
struct Range {
    std::int64_t start = 0, stop = 0, step = 1;
    std::int64_t size = 0;
    std::int64_t at(std::int64_t i) const { return start + i * step; }
};
/// What dict.keys(), dict.values() and dict.items() give.
struct View {
    enum class Part { keys, values, items };
    std::shared_ptr<const DictBody> dict;
    Part part = Part::keys;
};
/// A function that every template has. The interpreter itself carries out those without `call`.
struct Function {
    std::string_view name;
    Value (*call)(Heap& heap, const Arguments& arguments);
};

using Text = std::shared_ptr<const TextBody>;
using Sequence = std::shared_ptr<const SequenceBody>;
using Dict = std::shared_ptr<const DictBody>;
using Iterator = std::shared_ptr<IteratorBody>;
using Namespace = NamespaceBody*;  // owned by the interpreter, since namespaces can hold each other
using Loop = std::shared_ptr<LoopBody>;
using Method = std::shared_ptr<const MethodBody>;
using Macro = std::shared_ptr<const MacroBody>;

template <class T, class Variant>
inline constexpr bool kIsAlternative = false;
template <class T, class... Held>
inline constexpr bool kIsAlternative<T, std::variant<Held...>> = (std::is_same_v<T, Held> || ...);

class Value {
public:
    using Storage = std::variant<None, Undefined, bool, std::int64_t, double, Text, Sequence, Dict, View, Range,
                                 Iterator, Namespace, Loop, Method, const Function*, Macro>;

    Value() = default;
    template <class T>
        requires kIsAlternative<T, Storage>
    Value(T value) : storage_(std::in_place_type<T>, std::move(value)) {}

    /// A text that no heap counts: a constant, or part of what is rendered.
    static Value text(std::string bytes);
    static Value list(std::vector<Value> items);
    static Value dict(std::vector<std::pair<Value, Value>> members);
    static Value undefined(std::string why);
    static Value of(const JsonValue& json);

    template <class T>
    bool is() const {
        return std::holds_alternative<T>(storage_);
    }
    template <class T>
    const T* get() const {
        return std::get_if<T>(&storage_);
    }
    /// The text's bytes, or null for another value.
    const std::string* text() const;
    /// Of true, false and integers, as Python counts them.
    std::optional<std::int64_t> integer() const;
    /// As integer, and floats.
    std::optional<double> number() const;
    /// Whether it is a text that counts as HTML already: `safe` and `escape` make such.
    bool is_markup() const;

    const Storage& storage() const { return storage_; }

private:
    Storage storage_;
};

struct TextBody {
    std::string bytes;
    bool markup = false;
    bool ascii = false;  // so that code points are bytes
    Charge charge;
};
struct SequenceBody {
    std::vector<Value> items;
    bool tuple = false;
    int depth = 1;  // of containers inside each other
    Charge charge;
};
struct DictBody {
    std::vector<std::pair<Value, Value>> members;
    int depth = 1;
    Charge charge;

    const Value* find(Heap& heap, const Value& key) const;
};
/// What a filter such as `map` gives: it can be gone through once.
struct IteratorBody {
    std::vector<Value> items;
    std::string_view kind = "generator";
    std::size_t next = 0;
    std::string failure;  // the Error that stands behind the last item; empty: none
    int depth = 1;
    Charge charge;
};
struct NamespaceBody {
    std::vector<std::pair<std::string, Value>> attributes;
};
/// The variable `loop` of a for.
struct LoopBody {
    std::vector<Value> items;
    std::size_t index = 0;
    int depth = 1;
    Charge charge;
};
/// A method that is not called yet: message.get
struct MethodBody {
    Value receiver;
    std::string name;
    int depth = 1;
};

/// Arguments of a call.
struct Arguments {
    std::vector<Value> positional;
    std::vector<std::pair<std::string, Value>> named;

    /// The arguments in the order of `names`, null where one is not given. Error, which speaks of `function`, for one
    /// too many or of another name, and when one of the first `required` is missing.
    std::vector<const Value*> bind(std::string_view function, std::initializer_list<std::string_view> names,
                                   std::size_t required = 0) const;
};

// Values that `heap` counts.
Value make_text(Heap& heap, std::string bytes, bool markup = false);
Value make_text(TextBuilder& builder, bool markup = false);
Value make_list(Heap& heap, std::vector<Value> items, bool tuple = false);
/// Later members replace earlier ones of an equal key. Error for a key that Python cannot hash.
Value make_dict(Heap& heap, std::vector<std::pair<Value, Value>> members);
Value make_iterator(Heap& heap, std::vector<Value> items, std::string_view kind = "generator",
                    std::string failure = {});
Loop make_loop(Heap& heap, std::vector<Value> items);
Value make_method(const Value& receiver, std::string name);

/// Whether an `if` takes it.
bool truth(const Value& value);
bool equal(Heap& heap, const Value& a, const Value& b);
/// Less than 0, 0 or more, for numbers, texts and sequences. Error for others, and for two of different kinds.
int compare(Heap& heap, const Value& a, const Value& b);
/// Whether `a in b` is true. Error when nothing can be in `b`.
bool contains(Heap& heap, const Value& b, const Value& a);
/// What a for goes through. Error for a value that has no items.
std::vector<Value> items_of(Heap& heap, const Value& value);
/// What len() says of it, where it has a length.
std::optional<std::int64_t> length_of(const Value& value);

/// Python's name of its type: "str", "dict".
std::string_view type_name(const Value& value);
/// For errors: "'str' object", "None".
std::string described_type(const Value& value);
/// Throws what using this undefined value ends in.
[[noreturn]] void refuse_undefined(const Undefined& undefined);
/// Throws when the value is undefined.
inline void require_defined(const Value& value) {
    if (const Undefined* undefined = value.get<Undefined>()) refuse_undefined(*undefined);
}

}  // namespace vitro::jinja
