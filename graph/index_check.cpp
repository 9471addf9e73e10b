#include "graph/index_check.h"

#include "base/checked.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>
#include <tuple>

namespace vitro {
namespace {

/// The type of the node's input with this name; none when it is not given.
std::optional<TensorType> type_of(const Graph& graph, const Node& node, std::string_view name) {
    const int index = input_index(*node.op, name);
    if (index < 0 || node.inputs[static_cast<std::size_t>(index)] == kAbsent) return std::nullopt;
    return graph.value(node.inputs[static_cast<std::size_t>(index)]).type;
}

/// Rules without their readers, for a set of them.
auto key(const IndexRule& rule) {
    const auto dim = [](Dim d) { return std::pair(d.size, d.symbol); };
    return std::tuple(rule.role, dim(rule.below), dim(rule.pages), dim(rule.page_size),
                      dim(rule.sum.value_or(Dim(-1))));
}

struct ByKey {
    bool operator()(const IndexRule& a, const IndexRule& b) const { return key(a) < key(b); }
};
using Rules = std::set<IndexRule, ByKey>;

/// Adds a rule. Of two that differ in a constant that numbers must be below, only the tighter one says something:
/// without that, the sets of a long chain of ops could hold a rule of each of its readers.
void add(Rules& rules, IndexRule rule) {
    if (rule.below.is_symbol()) {
        rules.insert(std::move(rule));
        return;
    }
    IndexRule first = rule, past = rule;
    first.below = std::numeric_limits<std::int64_t>::min();
    past.below = std::numeric_limits<std::int64_t>::max();
    for (auto at = rules.lower_bound(first); at != rules.end() && !ByKey{}(past, *at); ++at) {
        const bool is_alike =
            !at->below.is_symbol() && at->pages == rule.pages && at->page_size == rule.page_size && at->sum == rule.sum;
        if (!is_alike) continue;
        if (at->below.size <= rule.below.size) return;
        rules.erase(at);
        break;
    }
    rules.insert(std::move(rule));
}

/// Whether what stands in the node's input stands in its outputs, elsewhere.
bool is_moved(const Graph& graph, const Node& node, std::size_t input) {
    return node.op->locality == Locality::moves && input_def(*node.op, input).role == InputRole::values &&
           graph.value(node.outputs[0]).type.dtype == DType::i32;
}

}  // namespace

std::optional<std::int64_t> IndexRule::room(const SymbolValues& symbols) const {
    if (pages == Dim(0)) return std::nullopt;
    return checked_mul(symbols(pages), symbols(page_size)).value_or(INT64_MAX);
}

bool IndexRule::is_constant() const {
    return !below.is_symbol() && !pages.is_symbol() && !page_size.is_symbol() && !(sum && sum->is_symbol());
}

std::optional<IndexRule> index_rule(const Graph& graph, const Node& node, std::size_t input) {
    const InputDef& def = input_def(*node.op, input);
    if (def.role == InputRole::values || def.role == InputRole::shared || node.inputs[input] == kAbsent)
        return std::nullopt;
    IndexRule rule{.role = def.role, .reader = fmt::format("{} of {}", def.name, describe(graph, node))};
    const auto of = def.of.empty() ? std::nullopt : type_of(graph, node, def.of);
    if (of && of->rank() > 0) rule.below = of->dim(0);
    for (const InputDef& other : node.op->inputs) {
        if (other.role != InputRole::pages) continue;
        const auto table = type_of(graph, node, other.name), cache = type_of(graph, node, other.of);
        if (!table || !cache) continue;
        rule.page_size = cache->dim(1);
        if (def.role == InputRole::positions || def.role == InputRole::lengths) rule.pages = table->dim(1);
    }
    if (def.sum) rule.sum = def.sum(node.attributes);
    if (rule.sum && rule.sum->is_symbol() && !graph.bounds.contains(rule.sum->symbol)) rule.sum.reset();
    return rule;
}

std::map<std::string, std::vector<IndexRule>> input_rules(const Graph& graph) {
    std::vector<Rules> rules(graph.values.size());
    for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
        for (std::size_t i = 0; i < node->inputs.size(); ++i) {
            const ValueId id = node->inputs[i];
            if (id == kAbsent || graph.value(id).type.dtype != DType::i32) continue;
            Rules& own = rules[static_cast<std::size_t>(id)];
            if (auto rule = index_rule(graph, *node, i)) add(own, std::move(*rule));
            if (!is_moved(graph, *node, i)) continue;
            for (const ValueId output : node->outputs)
                for (IndexRule rule : rules[static_cast<std::size_t>(output)]) {
                    rule.sum.reset();  // of all that arrives there
                    add(own, std::move(rule));
                }
        }
    }
    std::map<std::string, std::vector<IndexRule>> out;
    for (const ValueId id : graph.values_of(ValueKind::input)) {
        if (graph.value(id).type.dtype != DType::i32) continue;
        const Rules& own = rules[static_cast<std::size_t>(id)];
        out[graph.value(id).path].assign(own.begin(), own.end());
    }
    return out;
}

std::vector<UncheckedIndices> unchecked_indices(const Graph& graph) {
    std::vector<bool> is_checked(graph.values.size());  // all its numbers are a graph input's, which input_rules follow
    for (const ValueId id : graph.values_of(ValueKind::input)) is_checked[static_cast<std::size_t>(id)] = true;
    std::vector<UncheckedIndices> out;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        const Node& node = graph.nodes[n];
        bool is_moved_input = node.op->locality == Locality::moves;
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            const ValueId id = node.inputs[i];
            if (id == kAbsent) continue;
            const bool checked = is_checked[static_cast<std::size_t>(id)];
            if (input_def(*node.op, i).role == InputRole::values) is_moved_input = is_moved_input && checked;
            auto rule = index_rule(graph, node, i);
            if (rule && (!checked || (rule->sum && graph.value(id).kind != ValueKind::input)))
                out.push_back({static_cast<NodeId>(n), i, std::move(*rule)});
        }
        for (const ValueId id : node.outputs) is_checked[static_cast<std::size_t>(id)] = is_moved_input;
    }
    return out;
}

std::optional<WrittenRows> written_rows(const Node& node) {
    WrittenRows out{};
    std::size_t found = 0;
    for (std::size_t i = 0; i < node.op->inputs.size() && i < node.inputs.size(); ++i) {
        const InputDef& def = node.op->inputs[i];
        if (node.inputs[i] == kAbsent) continue;
        std::size_t* const at = def.role == InputRole::positions   ? &out.positions
                                : def.role == InputRole::sequences ? &out.sequences
                                : def.role == InputRole::pages     ? &out.pages
                                                                   : nullptr;
        if (at == nullptr) continue;
        *at = i;
        ++found;
    }
    if (found != 3) return std::nullopt;
    out.cache = static_cast<std::size_t>(input_index(*node.op, node.op->inputs[out.pages].of));
    for (const auto& [output, input] : node.op->aliases)
        if (input == out.cache) return out;
    return std::nullopt;
}

std::vector<NodeId> unchecked_writes(const Graph& graph) {
    std::vector<NodeId> out;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        const Node& node = graph.nodes[n];
        const auto rows = written_rows(node);
        if (!rows) continue;
        const auto is_input = [&](std::size_t i) { return graph.value(node.inputs[i]).kind == ValueKind::input; };
        if (!is_input(rows->positions) || !is_input(rows->sequences) || !is_input(rows->pages))
            out.push_back(static_cast<NodeId>(n));
    }
    return out;
}

void check_written_rows(std::string_view reader, const Tensor& positions, const Tensor& sequences, const Tensor& pages,
                        std::int64_t slots) {
    std::vector<std::pair<std::int64_t, std::int64_t>> rows;  // and the tokens
    for (std::int64_t t = 0; t < positions.elements(); ++t) {
        const std::int64_t position = positions.as<std::int32_t>()[t], sequence = sequences.as<std::int32_t>()[t];
        const std::int64_t page = pages.as<std::int32_t>()[sequence * pages.dim(1) + position / slots];
        rows.emplace_back(page * slots + position % slots, t);
    }
    std::sort(rows.begin(), rows.end());
    const auto same =
        std::adjacent_find(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.first == b.first; });
    if (same == rows.end()) return;
    fail("{}: expected a row of the cache for each token, found tokens {} and {} in slot {} of page {}", reader,
         same->second, std::next(same)->second, same->first % slots, same->first / slots);
}

void check_indices(std::string_view what, const Tensor& tensor, const IndexRule& rule, const SymbolValues& symbols) {
    std::int64_t limit = std::int64_t{1} << 31, sum = 0;
    if (rule.role == InputRole::rows || rule.role == InputRole::sequences || rule.role == InputRole::pages)
        limit = symbols(rule.below);
    else if (const auto room = rule.room(symbols))
        limit = std::min(limit, *room + (rule.role == InputRole::lengths));
    for (std::int64_t i = 0; i < tensor.elements(); ++i) {
        const std::int64_t number = tensor.as<std::int32_t>()[i];
        if (number < 0 || number >= limit)
            fail("{}: element {}: expected a number in [0, {}) for {}, found {}", what, i, limit, rule.reader, number);
        sum += number;
    }
    if (!rule.sum || (rule.sum->is_symbol() && symbols(*rule.sum) == 0) || sum == symbols(*rule.sum)) return;
    const std::string name = rule.sum->is_symbol() ? fmt::format("{} = ", to_string(*rule.sum)) : "";
    fail("{}: expected lengths that add up to {}{} for {}, found {}", what, name, symbols(*rule.sum), rule.reader, sum);
}

void check_indices(const Graph& graph, const Node& node, std::span<const Tensor> inputs, const SymbolValues& symbols) {
    for (std::size_t i = 0; i < inputs.size(); ++i)
        if (const auto rule = index_rule(graph, node, i))
            check_indices(graph.value(node.inputs[i]).path, inputs[i], *rule, symbols);
    if (const auto rows = written_rows(node))
        check_written_rows(describe(graph, node), inputs[rows->positions], inputs[rows->sequences], inputs[rows->pages],
                           inputs[rows->cache].dim(1));
}

}  // namespace vitro
