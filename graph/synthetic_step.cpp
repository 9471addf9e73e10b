#include "graph/synthetic_step.h"

#include "base/half.h"
#include "base/random.h"
#include "base/rounded.h"
#include "graph/program.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

namespace vitro {
namespace {

std::uint64_t hash(std::uint64_t seed, std::string_view text) {
    for (const char c : text) seed = random_bits(seed, static_cast<unsigned char>(c));
    return seed;
}

/// The first size of a value; 1 of a scalar.
Dim first_size(const Graph& graph, const std::string& path) {
    const TensorType& type = graph.value(graph.find(path)).type;
    return type.rank() == 0 ? Dim(1) : type.dim(0);
}

/// Whether numbers can be valid for both: the two kinds of lengths, and positions that a table of them is read at.
bool can_be_both(InputRole a, InputRole b) {
    const auto is_length = [](InputRole role) {
        return role == InputRole::lengths || role == InputRole::total_lengths;
    };
    const auto is_table_of = [](InputRole table, InputRole role) {
        return table == InputRole::rows && role == InputRole::positions;
    };
    return a == b || (is_length(a) && is_length(b)) || is_table_of(a, b) || is_table_of(b, a);
}

}  // namespace

/// What the i32 inputs count, as their readers' rules say.
struct SyntheticStep::Counts {
    std::vector<Dim> tokens, sequences, wanted_rows, sums;
    std::optional<std::int64_t> room;  // positions of one sequence, at most

    static bool has(const std::vector<Dim>& dims, Dim dim) {
        return std::find(dims.begin(), dims.end(), dim) != dims.end();
    }
};

SyntheticStep::SyntheticStep(const Graph& graph, SymbolValues symbols, std::uint64_t seed)
    : seed_(seed), symbols_(symbols), rules_(input_rules(graph)) {
    choose_sizes(graph);
}

SyntheticStep::Counts SyntheticStep::counts(const Graph& graph) const {
    Counts out;
    for (const auto& [path, rules] : rules_) {
        const Dim first = first_size(graph, path);
        for (const IndexRule& rule : rules) {
            const InputRole role = rule.role;
            if (role == InputRole::positions || role == InputRole::sequences) out.tokens.push_back(first);
            if (role == InputRole::sequences) out.sequences.push_back(rule.below);
            if (role == InputRole::pages || role == InputRole::lengths || role == InputRole::total_lengths)
                out.sequences.push_back(first);
            if (role == InputRole::rows) out.wanted_rows.push_back(first);
            if (rule.sum) out.sums.push_back(*rule.sum);
        }
    }
    return out;
}

void SyntheticStep::choose_sizes(const Graph& graph) {
    Counts counts = this->counts(graph);
    for (const auto& [symbol, bound] : graph.bounds) {
        if (symbols_[symbol] < 0 || symbols_[symbol] > bound)
            fail("symbol {}: expected a value in [1, {}], found {}", symbol, bound, symbols_[symbol]);
        // Several tokens of fewer sequences; sizes that are alike would hide what is mixed up.
        const Dim dim(symbol);
        const bool is_count = Counts::has(counts.sequences, dim) || Counts::has(counts.wanted_rows, dim);
        const std::int64_t small = Counts::has(counts.tokens, dim) ? 5 : is_count ? 2 : counts.tokens.empty() ? 5 : 4;
        if (symbols_[symbol] == 0 && !Counts::has(counts.sums, dim)) symbols_[symbol] = std::min(small, bound);
    }
    const auto limit = [&](std::int64_t room) { counts.room = std::min(counts.room.value_or(room), room); };
    for (const auto& [path, rules] : rules_) {
        const bool are_positions =
            std::ranges::any_of(rules, [](const IndexRule& rule) { return rule.role == InputRole::positions; });
        for (const IndexRule& rule : rules) {
            if (const auto room = rule.room(symbols_)) limit(*room);
            if (are_positions && rule.role == InputRole::rows) limit(symbols_(rule.below));
        }
    }

    const auto most = [&](const std::vector<Dim>& dims) {
        std::int64_t size = 0;
        for (const Dim dim : dims) size = std::max(size, symbols_(dim));
        return size;
    };
    const std::int64_t tokens = most(counts.tokens), sequences = std::max(most(counts.sequences), std::int64_t{1});
    if (tokens > (std::int64_t{1} << 24) || sequences > (std::int64_t{1} << 24))
        fail("a made-up step of {} tokens and {} sequences: expected at most {} of either", tokens, sequences, 1 << 24);
    for (std::int64_t s = 0; s < sequences; ++s)
        new_tokens_.push_back(tokens * (s + 1) / sequences - tokens * s / sequences);
    choose_lengths(graph, counts);
}

void SyntheticStep::choose_lengths(const Graph& graph, const Counts& counts) {
    const std::int64_t tokens = std::accumulate(new_tokens_.begin(), new_tokens_.end(), std::int64_t{0});
    std::int64_t most = INT64_MAX, given = 0;  // tokens in the cache, all sequences together
    std::string name;                          // of what bounds them
    for (const Dim sum : counts.sums) {
        given = std::max(given, symbols_(sum));
        const std::int64_t bound = !sum.is_symbol() || symbols_(sum) > 0 ? symbols_(sum) : graph.bounds.at(sum.symbol);
        if (bound >= most) continue;
        most = bound;
        name = sum.is_symbol() ? fmt::format("symbol {}", sum.symbol) : "the sum of lengths";
    }
    if (most < tokens) fail("{}: expected at least the {} tokens of the step, found {}", name, tokens, most);
    std::int64_t left = most - tokens;  // that may be in the cache already
    Random random(seed_);
    for (std::size_t s = 0; s < new_tokens_.size(); ++s) {
        const std::int64_t free = counts.room ? *counts.room - new_tokens_[s] : INT64_MAX;
        if (free < 0)
            fail("{} tokens of {} sequences: the pages of a sequence have room for {}", tokens, new_tokens_.size(),
                 *counts.room);
        // Given the sum, the sequences share what it leaves; else a few.
        const auto sequences = static_cast<std::int64_t>(new_tokens_.size() - s);
        const std::int64_t wanted = given > 0 ? (left + sequences - 1) / sequences : random.integer(1, 6);
        in_cache_.push_back(std::min({wanted, free, left}));
        left -= in_cache_.back();
    }
    if (given > 0 && left > 0)
        fail("{}: expected at most {}, all that the pages of {} sequences have room for, found {}", name, most - left,
             new_tokens_.size(), most);
    for (const Dim sum : counts.sums)
        if (sum.is_symbol() && symbols_(sum) == 0) symbols_[sum.symbol] = std::max(most - left, std::int64_t{1});
}

void SyntheticStep::fill(const ValueInfo& value, const Tensor& tensor) const {
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
    if (is_block_quantized(tensor.dtype) || is_packed(tensor.dtype)) {
        // Bytes this small make small scales, wherever in a block those stand.
        for (std::int64_t i = 0; i < tensor.bytes(); ++i)
            tensor.as<std::uint8_t>()[i] = random_bits(seed, static_cast<std::uint64_t>(i)) % 0x20;
        return;
    }
    const auto number = [&](std::int64_t i) {
        return (2 * random_uniform(seed, static_cast<std::uint64_t>(i)) - 1) * scale + (is_row ? 1.0f : 0.0f);
    };
    if (is_rounded(tensor.dtype)) {
        std::vector<float> values;
        for (std::int64_t i = 0; i < tensor.elements(); ++i) values.push_back(number(i));
        return round_activations(values.data(), tensor.elements(), tensor.as<Rounded32>());
    }
    dispatch(tensor.dtype, [&]<class T>(T) {
        for (std::int64_t i = 0; i < tensor.elements(); ++i) tensor.as<T>()[i] = T(number(i));
    });
}

void SyntheticStep::fill_i32(const std::string& path, const Tensor& tensor) const {
    Random random(hash(seed_, path));
    auto* out = tensor.as<std::int32_t>();
    const std::int64_t n = tensor.elements();
    const auto found = rules_.find(path);
    VITRO_CHECK(found != rules_.end(), "input {} is none of the first graph's", path);
    if (found->second.empty()) {
        for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<std::int32_t>(random.integer(0, 99));
        return;
    }
    IndexRule rule = found->second.front();
    std::int64_t below = symbols_(rule.below), page_size = symbols_(rule.page_size);
    for (const IndexRule& other : found->second) {
        if (!can_be_both(rule.role, other.role))
            fail("input {}: is both {} and {}, so valid numbers cannot be guessed: give them", path, rule.reader,
                 other.reader);
        below = std::min(below, symbols_(other.below));
        page_size = std::min(page_size, symbols_(other.page_size));
        if (other.role == InputRole::positions) rule.role = other.role;
    }
    switch (rule.role) {
        case InputRole::values:
        case InputRole::shared:
        case InputRole::rows:
            if (n > 0 && below < 1) fail("input {}: expected rows to choose from for {}", path, rule.reader);
            for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<std::int32_t>(random.integer(0, below - 1));
            return;
        case InputRole::positions:
        case InputRole::sequences:
            for (std::int64_t s = 0, t = 0; s < std::ssize(new_tokens_); ++s)
                for (std::int64_t i = 0; i < new_tokens_[static_cast<std::size_t>(s)] && t < n; ++i, ++t)
                    out[t] = static_cast<std::int32_t>(
                        rule.role == InputRole::sequences ? s : in_cache_[static_cast<std::size_t>(s)] + i);
            return;
        case InputRole::lengths:
        case InputRole::total_lengths:
            for (std::int64_t s = 0; s < n; ++s)
                out[s] = static_cast<std::int32_t>(new_tokens_[static_cast<std::size_t>(s)] +
                                                   in_cache_[static_cast<std::size_t>(s)]);
            return;
        case InputRole::pages:
            break;
    }
    // The pages that a sequence needs are its own, drawn without putting back; what is behind them is never read.
    std::vector<std::int32_t> pages(static_cast<std::size_t>(below));
    std::iota(pages.begin(), pages.end(), 0);
    std::size_t used = 0;
    const std::int64_t sequences = tensor.dim(0), per_sequence = n / std::max(sequences, std::int64_t{1});
    for (std::int64_t s = 0; s < sequences; ++s) {
        const auto at = static_cast<std::size_t>(s);
        const std::int64_t needed = (new_tokens_[at] + in_cache_[at] + page_size - 1) / page_size;
        for (std::int64_t i = 0; i < per_sequence; ++i) {
            std::int32_t& page = out[s * per_sequence + i];
            page = 0;
            if (i >= needed) continue;
            if (used == pages.size())
                fail("input {}: {} pages are too few for {} sequences: give smaller --symbol sizes", path, below,
                     sequences);
            std::swap(pages[used],
                      pages[static_cast<std::size_t>(random.integer(static_cast<std::int64_t>(used), below - 1))]);
            page = pages[used++];
        }
    }
}

}  // namespace vitro
