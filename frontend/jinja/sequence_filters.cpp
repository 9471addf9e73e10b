#include "base/error.h"
#include "frontend/jinja/filters.h"
#include "frontend/jinja/format.h"
#include "frontend/jinja/operators.h"
#include "frontend/jinja/text.h"
#include "frontend/json.h"

#include <algorithm>
#include <array>

namespace vitro::jinja {
namespace {

/// What `each` makes of the items, or leaves out. jinja2 goes on only when the next item is asked for, so an Error
/// waits behind the items before it.
template <class Each>
Value generated(Heap& heap, const Value& input, Each each) {
    std::vector<Value> out;
    if (!truth(input)) return make_iterator(heap, {});  // none too
    try {
        for (const Value& item : items_of(heap, input)) {
            heap.work();
            if (std::optional<Value> made = each(item)) out.push_back(std::move(*made));
        }
    } catch (const Error& error) {
        return make_iterator(heap, std::move(out), "generator", error.what());
    }
    return make_iterator(heap, std::move(out));
}

bool given_true(const Value* value) { return value != nullptr && truth(*value); }

/// What sorting looks at: an attribute where one is given, texts without their letter case unless that counts.
class Key {
public:
    Key(Heap& heap, const Value* attribute, const Value* case_sensitive, bool several = false)
        : heap_(heap), attribute_(attribute), case_sensitive_(given_true(case_sensitive)), several_(several) {}

    Value of(const Value& item) const {
        if (attribute_ == nullptr || attribute_->is<None>()) return without_case(item);
        const std::string* names = attribute_->text();
        if (!several_ || names == nullptr || names->find(',') == std::string::npos)
            return without_case(item_at_path(heap_, item, *attribute_));
        std::vector<Value> all;
        for (std::string_view rest = *names; !rest.empty();) {
            const std::size_t comma = std::min(rest.find(','), rest.size());
            all.push_back(
                without_case(item_at_path(heap_, item, make_text(heap_, std::string(rest.substr(0, comma))))));
            rest.remove_prefix(std::min(comma + 1, rest.size()));
        }
        return make_list(heap_, std::move(all));
    }

private:
    Value without_case(const Value& value) const {
        if (value.text() == nullptr || case_sensitive_) return value;
        heap_.work_on_bytes(16 * value.text()->size());
        return make_text(heap_, lower(*value.text()));
    }

    Heap& heap_;
    const Value* attribute_;
    bool case_sensitive_;
    bool several_;  // attributes, with commas between them
};

/// The places of `keys` in order; equal ones stay as they are.
std::vector<std::size_t> order_of(Heap& heap, const std::vector<Value>& keys, bool reverse) {
    std::vector<std::size_t> order(keys.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        heap.work();
        return (reverse ? compare(heap, keys[b], keys[a]) : compare(heap, keys[a], keys[b])) < 0;
    });
    return order;
}

std::vector<Value> sorted(Heap& heap, const std::vector<Value>& items, const Key& key, bool reverse) {
    std::vector<Value> keys, out;
    for (const Value& item : items) keys.push_back(key.of(item));
    for (const std::size_t i : order_of(heap, keys, reverse)) out.push_back(items[i]);
    return out;
}

Value sort(Heap& heap, const Value& input, const Arguments& arguments) {
    const auto given = arguments.bind("sort", {"reverse", "case_sensitive", "attribute"});
    const Key key(heap, given[2], given[1], true);
    return make_list(heap, sorted(heap, items_of(heap, input), key, given_true(given[0])));
}

Value dict_sort(Heap& heap, const Value& input, const Arguments& arguments) {
    const auto given = arguments.bind("dictsort", {"case_sensitive", "by", "reverse"});
    require_defined(input);
    if (!input.is<Dict>()) fail("dictsort: expected a dict, found {}", described_type(input));
    const std::string by = given[1] == nullptr ? "key" : str_of(heap, *given[1]);
    if (by != "key" && by != "value") fail("dictsort: expected to sort by \"key\" or \"value\", found {}", quote(by));
    const Value place = std::int64_t{by == "key" ? 0 : 1};
    const Key key(heap, &place, given[0]);
    return make_list(
        heap, sorted(heap, items_of(heap, View{*input.get<Dict>(), View::Part::items}), key, given_true(given[2])));
}

Value items(Heap& heap, const Value& input, const Arguments& arguments) {
    arguments.bind("items", {});
    if (input.is<Undefined>()) return make_iterator(heap, {});
    if (!input.is<Dict>()) fail("items: expected a dict, found {}", described_type(input));
    return make_iterator(heap, items_of(heap, View{*input.get<Dict>(), View::Part::items}));
}

Value length(Heap&, const Value& input, const Arguments& arguments) {
    arguments.bind("length", {});
    const auto size = length_of(input);
    if (!size) fail("length: expected a value with a length, found {}", described_type(input));
    return *size;
}

Value default_value(Heap&, const Value& input, const Arguments& arguments) {
    const auto given = arguments.bind("default", {"default_value", "boolean"});
    const bool missing = input.is<Undefined>() || (given_true(given[1]) && !truth(input));
    if (!missing) return input;
    return given[0] == nullptr ? Value::text("") : *given[0];
}

Value first(Heap& heap, const Value& input, const Arguments& arguments) {
    arguments.bind("first", {});
    if (const Iterator* iterator = input.get<Iterator>()) {
        IteratorBody& body = **iterator;
        if (body.next < body.items.size()) return body.items[body.next++];
        if (!body.failure.empty()) fail("{}", body.failure);
    } else if (const std::vector<Value> all = items_of(heap, input); !all.empty()) {
        return all.front();
    }
    return Value::undefined("no first item, the sequence was empty");
}

Value last(Heap& heap, const Value& input, const Arguments& arguments) {
    arguments.bind("last", {});
    if (input.is<Iterator>())
        fail("last: expected a sequence that can be read backwards, found {}", described_type(input));
    const std::vector<Value> all = items_of(heap, input);
    return all.empty() ? Value::undefined("no last item, the sequence was empty") : all.back();
}

Value list(Heap& heap, const Value& input, const Arguments& arguments) {
    arguments.bind("list", {});
    return make_list(heap, items_of(heap, input));
}

Value reverse(Heap& heap, const Value& input, const Arguments& arguments) {
    arguments.bind("reverse", {});
    if (input.text() != nullptr) return slice_of(heap, input, None{}, None{}, std::int64_t{-1});
    std::vector<Value> all = items_of(heap, input);
    std::reverse(all.begin(), all.end());
    return make_iterator(heap, std::move(all), "list_reverseiterator");
}

Value join(Heap& heap, const Value& input, const Arguments& arguments) {
    const auto given = arguments.bind("join", {"d", "attribute"});
    const std::string separator = given[0] == nullptr ? "" : str_of(heap, *given[0]);
    TextBuilder out(heap);
    bool first = true;
    for (const Value& item : items_of(heap, input)) {
        heap.work();
        if (!std::exchange(first, false)) out.append(separator);
        append_str(out, given[1] == nullptr || given[1]->is<None>() ? item : item_at_path(heap, item, *given[1]));
    }
    return make_text(out);
}

Value sum(Heap& heap, const Value& input, const Arguments& arguments) {
    const auto given = arguments.bind("sum", {"attribute", "start"});
    Value total = given[1] == nullptr ? Value(std::int64_t{0}) : *given[1];
    if (total.text() != nullptr) fail("sum: expected numbers or lists, found a text");
    for (const Value& item : items_of(heap, input)) {
        heap.work();
        total = binary(heap, "+", total,
                       given[0] == nullptr || given[0]->is<None>() ? item : item_at_path(heap, item, *given[0]));
    }
    return total;
}

template <bool largest>
Value extreme(Heap& heap, const Value& input, const Arguments& arguments) {
    const auto given = arguments.bind(largest ? "max" : "min", {"case_sensitive", "attribute"});
    const Key key(heap, given[1], given[0]);
    const std::vector<Value> all = items_of(heap, input);
    if (all.empty()) return Value::undefined("no aggregated item, the sequence was empty");
    std::size_t best = 0;
    Value best_key = key.of(all[0]);
    for (std::size_t i = 1; i < all.size(); ++i) {
        heap.work();
        Value own = key.of(all[i]);
        const int order = compare(heap, own, best_key);
        if (largest ? order <= 0 : order >= 0) continue;
        best = i;
        best_key = std::move(own);
    }
    return all[best];
}

Value unique(Heap& heap, const Value& input, const Arguments& arguments) {
    const auto given = arguments.bind("unique", {"case_sensitive", "attribute"});
    const Key key(heap, given[1], given[0]);
    std::vector<Value> seen, out;
    for (const Value& item : items_of(heap, input)) {
        Value own = key.of(item);
        heap.work(1 + seen.size() / 2);
        if (std::any_of(seen.begin(), seen.end(), [&](const Value& other) { return equal(heap, own, other); }))
            continue;
        seen.push_back(std::move(own));
        out.push_back(item);
    }
    return make_iterator(heap, std::move(out));
}

Value group_by(Heap& heap, const Value& input, const Arguments& arguments) {
    const auto given = arguments.bind("groupby", {"attribute", "default", "case_sensitive"}, 1);
    const Key key(heap, given[0], given[2]);
    const auto own = [&](const Value& item) {
        const Value value = key.of(item);
        return value.is<Undefined>() && given[1] != nullptr ? *given[1] : value;
    };
    const std::vector<Value> all = items_of(heap, input);
    std::vector<Value> keys, groups;
    for (const Value& item : all) keys.push_back(own(item));
    const std::vector<std::size_t> order = order_of(heap, keys, false);
    for (std::size_t begin = 0; begin < order.size();) {
        std::vector<Value> members;
        std::size_t end = begin;
        for (; end < order.size() && equal(heap, keys[order[begin]], keys[order[end]]); ++end)
            members.push_back(all[order[end]]);
        const Value shown = item_at_path(heap, members[0], *given[0]);
        groups.push_back(make_list(
            heap, {shown.is<Undefined>() && given[1] != nullptr ? *given[1] : shown, make_list(heap, members)}, true));
        begin = end;
    }
    return make_list(heap, std::move(groups));
}

std::int64_t count_of(std::string_view filter, const Value& value) {
    if (!value.integer() || *value.integer() < 1) fail("{}: expected a count of at least 1", filter);
    return std::min<std::int64_t>(*value.integer(), 1'000'000);
}

Value batch(Heap& heap, const Value& input, const Arguments& arguments) {
    const auto given = arguments.bind("batch", {"linecount", "fill_with"}, 1);
    const auto size = static_cast<std::size_t>(count_of("batch", *given[0]));
    const bool fills = given[1] != nullptr && !given[1]->is<None>();
    std::vector<Value> row, rows;
    const auto finish_row = [&] {
        const Charge room(heap, fills ? size * sizeof(Value) : 0);
        while (fills && row.size() < size) {
            heap.work();
            row.push_back(*given[1]);
        }
        rows.push_back(make_list(heap, std::exchange(row, {})));
    };
    for (const Value& item : items_of(heap, input)) {
        row.push_back(item);
        if (row.size() == size) finish_row();
    }
    if (!row.empty()) finish_row();
    return make_iterator(heap, std::move(rows));
}

/// Into `slices` lists, the first ones longer by one where it does not come out even.
Value slice(Heap& heap, const Value& input, const Arguments& arguments) {
    const auto given = arguments.bind("slice", {"slices", "fill_with"}, 1);
    const auto slices = static_cast<std::size_t>(count_of("slice", *given[0]));
    const std::vector<Value> all = items_of(heap, input);
    const bool fills = given[1] != nullptr && !given[1]->is<None>();
    const std::size_t each = all.size() / slices, longer = all.size() % slices;
    std::vector<Value> out;
    auto at = all.begin();
    for (std::size_t i = 0; i < slices; ++i) {
        const std::size_t size = each + (i < longer ? 1 : 0);
        std::vector<Value> part(at, at + static_cast<std::ptrdiff_t>(size));
        at += static_cast<std::ptrdiff_t>(size);
        if (fills && i >= longer) part.push_back(*given[1]);
        out.push_back(make_list(heap, std::move(part)));
    }
    return make_iterator(heap, std::move(out));
}

Value map(Heap& heap, const Value& input, const Arguments& arguments) {
    if (arguments.positional.empty()) {
        const auto given = arguments.bind("map", {"attribute", "default"}, 1);
        return generated(heap, input, [&](const Value& item) -> std::optional<Value> {
            Value value = item_at_path(heap, item, *given[0]);
            return value.is<Undefined>() && given[1] != nullptr ? *given[1] : value;
        });
    }
    const std::string* filter = arguments.positional[0].text();
    if (filter == nullptr)
        fail("map: expected the name of a filter, found {}", described_type(arguments.positional[0]));
    const Arguments rest{{arguments.positional.begin() + 1, arguments.positional.end()}, arguments.named};
    return generated(heap, input, [&](const Value& item) -> std::optional<Value> {
        return apply_filter(heap, *filter, item, rest);
    });
}

/// select, reject, selectattr and rejectattr: the items that a test holds of, or does not.
template <bool keeps, bool by_attribute>
Value select(Heap& heap, const Value& input, const Arguments& arguments) {
    const auto skipped = static_cast<std::ptrdiff_t>(by_attribute ? 1 : 0);
    const auto& given = arguments.positional;
    if (std::ssize(given) < skipped) fail("selectattr: expected the name of an attribute, found none");
    const Value* test = std::ssize(given) > skipped ? &given[static_cast<std::size_t>(skipped)] : nullptr;
    if (test != nullptr && test->text() == nullptr)
        fail("select: expected the name of a test, found {}", described_type(*test));
    Arguments rest;
    if (test != nullptr) rest = {{given.begin() + skipped + 1, given.end()}, arguments.named};
    return generated(heap, input, [&](const Value& item) -> std::optional<Value> {
        const Value value = by_attribute ? item_at_path(heap, item, given[0]) : item;
        const bool holds = test != nullptr ? apply_test(heap, *test->text(), value, rest) : truth(value);
        return holds == keeps ? std::optional<Value>(item) : std::nullopt;
    });
}

Value attribute(Heap& heap, const Value& input, const Arguments& arguments) {
    const Value& name = *arguments.bind("attr", {"name"}, 1)[0];
    if (name.text() == nullptr) fail("attr: expected a name, found {}", described_type(name));
    // An attribute and not an item: of a dict, only its methods.
    if (!input.is<Dict>()) return attribute_of(heap, input, *name.text());
    const Value found = attribute_of(heap, make_dict(heap, {}), *name.text());
    return found.is<Method>() ? attribute_of(heap, input, *name.text()) : found;
}

constexpr auto kFilters = std::to_array<Filter>({
    {"attr", attribute},
    {"batch", batch},
    {"count", length},
    {"d", default_value},
    {"default", default_value},
    {"dictsort", dict_sort},
    {"first", first},
    {"groupby", group_by},
    {"items", items},
    {"join", join},
    {"last", last},
    {"length", length},
    {"list", list},
    {"map", map},
    {"max", extreme<true>},
    {"min", extreme<false>},
    {"reject", select<false, false>},
    {"rejectattr", select<false, true>},
    {"reverse", reverse},
    {"select", select<true, false>},
    {"selectattr", select<true, true>},
    {"slice", slice},
    {"sort", sort},
    {"sum", sum},
    {"unique", unique},
});

const Filter* find_filter(std::string_view name) {
    for (const std::span<const Filter> filters : {text_filters(), sequence_filters()})
        for (const Filter& filter : filters)
            if (filter.name == name) return &filter;
    return nullptr;
}

}  // namespace

std::span<const Filter> sequence_filters() { return kFilters; }

bool has_filter(std::string_view name) { return find_filter(name) != nullptr; }

Value apply_filter(Heap& heap, std::string_view name, const Value& input, const Arguments& arguments) {
    heap.work();
    const Filter* filter = find_filter(name);
    if (filter == nullptr) fail("no filter named {}", quote(name));
    return filter->call(heap, input, arguments);
}

}  // namespace vitro::jinja
