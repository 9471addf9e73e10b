#include "graph/sample_step.h"

#include "base/half.h"
#include "base/random.h"
#include "graph/program.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

namespace vitro {
namespace {

using Kind = InputMeaning::Kind;

std::uint64_t hash(std::uint64_t seed, std::string_view text) {
    for (const char c : text) seed = random_bits(seed, static_cast<unsigned char>(c));
    return seed;
}

/// The type of the node's input that its op calls one of these names.
std::optional<TensorType> sibling(const Graph& graph, const Node& node, std::initializer_list<std::string_view> names) {
    for (std::size_t i = 0; i < std::min(node.inputs.size(), node.op->inputs.size()); ++i)
        if (std::find(names.begin(), names.end(), node.op->inputs[i]) != names.end())
            return graph.value(node.inputs[i]).type;
    return std::nullopt;
}

/// What `node` wants of an i32 input that it calls `name`; none when the name says nothing.
std::optional<InputMeaning> meaning_of(const Graph& graph, const Node& node, std::string_view name) {
    const auto cache = sibling(graph, node, {"cache", "k_cache"});
    const auto table = sibling(graph, node, {"page_table"});
    const std::int64_t room =
        cache && table && !table->dim(1).is_symbol() ? cache->dim(1).size * table->dim(1).size : 0;
    if (name == "tokens" || name == "rows") {
        const auto chosen = sibling(graph, node, {name == "tokens" ? "table" : "x"});
        if (chosen && chosen->rank() > 0) return InputMeaning{.kind = Kind::index, .below = chosen->dim(0)};
    }
    if (name == "positions") return InputMeaning{.kind = Kind::position, .positions = room};
    if (name == "lengths") return InputMeaning{.kind = Kind::length, .positions = room};
    if (name == "rope_lengths") return InputMeaning{.kind = Kind::rope_length};
    if (name == "sequences") {
        const auto each = sibling(graph, node, {"page_table", "lengths", "rope_lengths"});
        return InputMeaning{.kind = Kind::sequence, .below = each ? each->dim(0) : Dim(1)};
    }
    if (name == "page_table" && cache)
        return InputMeaning{.kind = Kind::page, .below = cache->dim(0), .page_size = cache->dim(1).size};
    return std::nullopt;
}

/// `names` as in OpDef::inputs: an optional input has those of all that may stand there, "bias|rope_lengths".
std::optional<InputMeaning> meaning_of_any(const Graph& graph, const Node& node, std::string_view names) {
    while (true) {
        const std::size_t bar = names.find('|');
        if (const auto meaning = meaning_of(graph, node, names.substr(0, bar))) return meaning;
        if (bar == std::string_view::npos) return std::nullopt;
        names.remove_prefix(bar + 1);
    }
}

/// Ops that move elements of any type about; what they move is read where it arrives.
bool moves(const Graph& graph, const Node& node, std::size_t input) {
    return node.op->inputs[std::min(input, node.op->inputs.size() - 1)] == "x" &&
           graph.value(node.outputs[0]).type.dtype == DType::i32;
}

void collect(const Graph& graph, const std::vector<std::vector<NodeId>>& users, ValueId id,
             std::vector<InputMeaning>& out) {
    for (const NodeId user : users[static_cast<std::size_t>(id)]) {
        const Node& node = graph.node(user);
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            if (node.inputs[i] != id) continue;
            if (moves(graph, node, i)) {
                for (const ValueId output : node.outputs) collect(graph, users, output, out);
                continue;
            }
            const std::string_view names = node.op->inputs[std::min(i, node.op->inputs.size() - 1)];
            auto meaning = meaning_of_any(graph, node, names).value_or(InputMeaning{.kind = Kind::unknown});
            meaning.reader = fmt::format("{} of {}", names, describe(graph, node));
            out.push_back(std::move(meaning));
        }
    }
}

}  // namespace

std::map<std::string, std::vector<InputMeaning>> input_meanings(const Graph& graph) {
    std::vector<std::vector<NodeId>> users(graph.values.size());
    for (std::size_t n = 0; n < graph.nodes.size(); ++n)
        for (const ValueId id : graph.nodes[n].inputs) {
            auto& list = users[static_cast<std::size_t>(id)];
            if (list.empty() || list.back() != static_cast<NodeId>(n)) list.push_back(static_cast<NodeId>(n));
        }
    std::map<std::string, std::vector<InputMeaning>> out;
    for (const ValueId id : graph.values_of(ValueKind::input)) {
        const ValueInfo& input = graph.value(id);
        if (input.type.dtype == DType::i32) collect(graph, users, id, out[input.path]);
    }
    return out;
}

void check_input(const std::string& path, const Tensor& tensor, const std::vector<InputMeaning>& meanings,
                 const SymbolValues& symbols) {
    for (const InputMeaning& meaning : meanings) {
        std::int64_t limit = std::int64_t{1} << 31;
        if (meaning.kind == Kind::index || meaning.kind == Kind::sequence || meaning.kind == Kind::page)
            limit = symbols(meaning.below);
        else if (meaning.positions > 0)
            limit = meaning.positions + (meaning.kind == Kind::length);
        std::int64_t sum = 0;
        for (std::int64_t i = 0; i < tensor.elements(); ++i) {
            const std::int64_t number = tensor.as<std::int32_t>()[i];
            if (number < 0 || number >= limit)
                fail("input {}: element {}: expected a number in [0, {}) for {}, found {}", path, i, limit,
                     meaning.reader, number);
            sum += number;
        }
        if (meaning.kind == Kind::length && symbols['C'] > 0 && sum != symbols['C'])
            fail("input {}: expected lengths that add up to C = {} for {}, found {}", path, symbols['C'],
                 meaning.reader, sum);
    }
}

SampleStep::SampleStep(const Graph& graph, SymbolValues symbols, std::uint64_t seed)
    : seed_(seed), symbols_(symbols), meanings_(input_meanings(graph)) {
    choose_sizes(graph);
}

void SampleStep::choose_sizes(const Graph& graph) {
    for (const auto& [symbol, bound] : graph.bounds) {
        if (symbols_[symbol] < 0 || symbols_[symbol] > bound)
            fail("symbol {}: expected a value in [1, {}], found {}", symbol, bound, symbols_[symbol]);
        // Several tokens of fewer sequences; sizes that are alike would hide what is mixed up.
        const std::int64_t small = symbol == 'T' ? 5 : symbol == 'R' || symbol == 'S' ? 2 : symbol == 'C' ? 0 : 3;
        if (symbols_[symbol] == 0) symbols_[symbol] = std::min(small, bound);
    }

    std::int64_t tokens = 0, sequences = 0, room = 0;
    for (const auto& [path, meanings] : meanings_) {
        const Dim first =
            graph.value(graph.find(path)).type.rank() == 0 ? Dim(1) : graph.value(graph.find(path)).type.dim(0);
        for (const InputMeaning& meaning : meanings) {
            if (meaning.kind == Kind::position || meaning.kind == Kind::sequence)
                tokens = std::max(tokens, symbols_(first));
            if (meaning.kind == Kind::sequence) sequences = std::max(sequences, symbols_(meaning.below));
            if (meaning.kind == Kind::page || meaning.kind == Kind::length || meaning.kind == Kind::rope_length)
                sequences = std::max(sequences, symbols_(first));
            if (meaning.positions > 0) room = room == 0 ? meaning.positions : std::min(room, meaning.positions);
        }
    }
    sequences = std::max(sequences, std::int64_t{1});
    if (tokens > (std::int64_t{1} << 24) || sequences > (std::int64_t{1} << 24))
        fail("a made-up step of {} tokens and {} sequences: expected at most {} of either", tokens, sequences, 1 << 24);
    for (std::int64_t s = 0; s < sequences; ++s)
        new_tokens_.push_back(tokens * (s + 1) / sequences - tokens * s / sequences);
    choose_lengths(graph, room);
}

void SampleStep::choose_lengths(const Graph& graph, std::int64_t room) {
    const bool has_total = graph.bounds.contains('C');
    const std::int64_t tokens = std::accumulate(new_tokens_.begin(), new_tokens_.end(), std::int64_t{0});
    const std::int64_t most = has_total ? (symbols_['C'] > 0 ? symbols_['C'] : graph.bounds.at('C')) : INT64_MAX;
    if (most < tokens) fail("symbol C: expected at least the {} tokens of the step, found {}", tokens, most);
    std::int64_t left = most - tokens;  // that may be in the cache already
    Random random(seed_);
    for (std::size_t s = 0; s < new_tokens_.size(); ++s) {
        const std::int64_t free = room == 0 ? INT64_MAX : room - new_tokens_[s];
        if (free < 0)
            fail("{} tokens of {} sequences: the pages of a sequence have room for {}", tokens, new_tokens_.size(),
                 room);
        // Given C, the sequences share what it leaves; else a few.
        const auto sequences = static_cast<std::int64_t>(new_tokens_.size() - s);
        const std::int64_t wanted = symbols_['C'] > 0 ? (left + sequences - 1) / sequences : random.integer(1, 6);
        in_cache_.push_back(std::min({wanted, free, left}));
        left -= in_cache_.back();
    }
    if (has_total && symbols_['C'] > 0) {
        if (left > 0)
            fail("symbol C: expected at most {}, all that the pages of {} sequences have room for, found {}",
                 symbols_['C'] - left, new_tokens_.size(), symbols_['C']);
    } else if (has_total) {
        symbols_['C'] = std::max(most - left, std::int64_t{1});
    }
}

void SampleStep::fill(const ValueInfo& value, const Tensor& tensor) const {
    if (tensor.dtype == DType::i32) {
        if (value.kind == ValueKind::input) fill_i32(value.path, tensor);
        return;  // an i32 state starts as zeros
    }
    if (tensor.elements() == 0) return;
    // Weights of the size that real ones have: sums stay about 1. Those with one dimension scale or shift: about 1.
    const bool is_weight = value.kind == ValueKind::weight, is_row = is_weight && tensor.rank == 1;
    const float scale = is_row                         ? 0.3f
                        : is_weight && tensor.rank > 0 ? std::sqrt(3.0f / static_cast<float>(tensor.dim(-1)))
                                                       : 1.7f;
    const std::uint64_t seed = hash(seed_, is_weight ? value.source : value.path);
    dispatch(tensor.dtype, [&]<class T>(T) {
        for (std::int64_t i = 0; i < tensor.elements(); ++i) {
            const float number = (2 * random_uniform(seed, static_cast<std::uint64_t>(i)) - 1) * scale;
            tensor.as<T>()[i] = T(is_row ? 1 + number : number);
        }
    });
}

void SampleStep::fill_i32(const std::string& path, const Tensor& tensor) const {
    Random random(hash(seed_, path));
    auto* out = tensor.as<std::int32_t>();
    const std::int64_t n = tensor.elements();
    const auto found = meanings_.find(path);
    VITRO_CHECK(found != meanings_.end(), "input {} is none of the first graph's", path);
    if (found->second.empty()) {
        for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<std::int32_t>(random.integer(0, 99));
        return;
    }
    InputMeaning meaning = found->second.front();
    for (const InputMeaning& other : found->second) {
        if (other.kind == Kind::unknown)
            fail("input {}: what numbers {} takes cannot be guessed: give them", path, other.reader);
        const auto lengths = [](Kind kind) { return kind == Kind::length || kind == Kind::rope_length; };
        if (other.kind != meaning.kind && !(lengths(other.kind) && lengths(meaning.kind)))
            fail("input {}: is both {} and {}, so valid numbers cannot be guessed: give them", path, meaning.reader,
                 other.reader);
        if (symbols_(other.below) < symbols_(meaning.below)) meaning.below = other.below;
        if (other.page_size < meaning.page_size) meaning.page_size = other.page_size;
    }
    const std::int64_t below = symbols_(meaning.below);
    switch (meaning.kind) {
        case Kind::unknown:
        case Kind::index:
            if (n > 0 && below < 1) fail("input {}: expected rows to choose from for {}", path, meaning.reader);
            for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<std::int32_t>(random.integer(0, below - 1));
            return;
        case Kind::position:
        case Kind::sequence:
            for (std::int64_t s = 0, t = 0; s < std::ssize(new_tokens_); ++s)
                for (std::int64_t i = 0; i < new_tokens_[static_cast<std::size_t>(s)] && t < n; ++i, ++t)
                    out[t] = static_cast<std::int32_t>(
                        meaning.kind == Kind::sequence ? s : in_cache_[static_cast<std::size_t>(s)] + i);
            return;
        case Kind::length:
        case Kind::rope_length:
            for (std::int64_t s = 0; s < n; ++s)
                out[s] = static_cast<std::int32_t>(new_tokens_[static_cast<std::size_t>(s)] +
                                                   in_cache_[static_cast<std::size_t>(s)]);
            return;
        case Kind::page:
            break;
    }
    // The pages that a sequence needs are its own, drawn without putting back; what is behind them is never read.
    std::vector<std::int32_t> pages(static_cast<std::size_t>(below));
    std::iota(pages.begin(), pages.end(), 0);
    std::size_t used = 0;
    const std::int64_t sequences = tensor.dim(0), per_sequence = n / std::max(sequences, std::int64_t{1});
    for (std::int64_t s = 0; s < sequences; ++s) {
        const auto at = static_cast<std::size_t>(s);
        const std::int64_t needed = (new_tokens_[at] + in_cache_[at] + meaning.page_size - 1) / meaning.page_size;
        for (std::int64_t i = 0; i < per_sequence; ++i) {
            std::int32_t& page = out[s * per_sequence + i];
            page = 0;
            if (i >= needed) continue;
            if (used == pages.size())
                fail("input {}: {} pages are too few for {} sequences: take smaller symbols", path, below, sequences);
            std::swap(pages[used],
                      pages[static_cast<std::size_t>(random.integer(static_cast<std::int64_t>(used), below - 1))]);
            page = pages[used++];
        }
    }
}

}  // namespace vitro
