#include "base/error.h"
#include "frontend/json.h"
#include "frontend/tokenizer/token_model.h"
#include "frontend/tokenizer/unicode.h"

#include <algorithm>
#include <array>
#include <limits>
#include <queue>
#include <tuple>

namespace vitro {
namespace {

constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kEnd = static_cast<std::size_t>(-1);
constexpr std::size_t kShort = 24;  // characters of a word that is merged by looking at all pairs each time

struct Merge {
    std::uint32_t rank = kNoRank;
    std::int32_t id = -1;
};

/// Pairs of tokens and what they merge to, in a hash table with open addressing.
class MergeTable {
public:
    explicit MergeTable(std::size_t size) {
        std::size_t slots = 64;
        while (slots < size * 2) slots *= 2;
        slots_.resize(slots);
    }
    /// A pair that stands twice has its last place.
    void add(std::int32_t left, std::int32_t right, Merge merge) {
        slots_[slot(key(left, right))] = {key(left, right), merge};
    }
    Merge find(std::int32_t left, std::int32_t right) const { return slots_[slot(key(left, right))].merge; }

private:
    struct Slot {
        std::uint64_t key = kFree;
        Merge merge;
    };
    static constexpr std::uint64_t kFree = ~std::uint64_t{0};
    static std::uint64_t key(std::int32_t left, std::int32_t right) {
        return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
    }
    std::size_t slot(std::uint64_t wanted) const {
        std::size_t at = ((wanted ^ wanted >> 29) * 0x9e3779b97f4a7c15u >> 24) & (slots_.size() - 1);
        while (slots_[at].key != wanted && slots_[at].key != kFree) at = (at + 1) & (slots_.size() - 1);
        return at;
    }
    std::vector<Slot> slots_;
};

/// A token of the word as it is now; merged ones are unlinked and empty.
struct Link {
    Symbol symbol;
    std::size_t previous = kEnd;
    std::size_t next = kEnd;
};

class Bpe final : public TokenModel {
public:
    Bpe(std::shared_ptr<const Vocabulary> vocabulary, const std::vector<std::pair<std::string, std::string>>& merges,
        const BpeOptions& options, std::string_view where)
        : vocabulary_(std::move(vocabulary)), options_(options), merges_(merges.size()) {
        for (std::size_t i = 0; i < merges.size(); ++i) {
            const auto id = [&](const std::string& token) {
                const auto found = vocabulary_->find(token);
                if (!found) fail("{}[{}]: expected tokens of the vocabulary, found {}", where, i, quote(token));
                return *found;
            };
            const auto& [left, right] = merges[i];
            const std::string_view prefix = options.continuing_subword_prefix;
            if (right.size() < prefix.size())
                fail("{}[{}]: expected a token that starts with {}, found {}", where, i, quote(prefix), quote(right));
            const std::int32_t a = id(left), b = id(right);
            merges_.add(a, b, {static_cast<std::uint32_t>(i), id(left + right.substr(prefix.size()))});
        }
        if (options.unk_token) {
            const auto found = vocabulary_->find(*options.unk_token);
            if (!found) fail("unk_token: expected a token of the vocabulary, found {}", quote(*options.unk_token));
            unk_id_ = *found;
        }
        if (options.byte_fallback) byte_ids_ = vocabulary_->byte_ids();
        for (std::size_t c = 0; c < first_chars_.size(); ++c) {
            std::string text;
            append_char(text, static_cast<char32_t>(c));
            first_chars_[c] = vocabulary_->find(text).value_or(-1);
        }
    }

    void encode(std::string_view word, std::vector<Symbol>& out) const override {
        if (options_.ignore_merges) {
            if (const auto id = vocabulary_->find(word)) {
                out.push_back({*id, 0, word.size()});
                return;
            }
        }
        const std::size_t first = out.size();
        split(word, out);
        if (out.size() - first <= kShort)
            merge_short(first, out);
        else
            merge_long(first, out);
    }

private:
    std::int32_t id_of_char(std::string_view word, std::size_t begin, const Utf8Char& c) const {
        const std::size_t end = begin + c.length;
        const bool prefixed = begin > 0 && !options_.continuing_subword_prefix.empty();
        const bool suffixed = end == word.size() && !options_.end_of_word_suffix.empty();
        if (!prefixed && !suffixed) {
            if (c.code_point < first_chars_.size()) return first_chars_[c.code_point];
            return vocabulary_->find(word.substr(begin, c.length)).value_or(-1);
        }
        return vocabulary_->find(text_of_char(word, begin, end)).value_or(-1);
    }

    /// With the prefix and the suffix that it has where it stands.
    std::string text_of_char(std::string_view word, std::size_t begin, std::size_t end) const {
        std::string text = begin > 0 ? options_.continuing_subword_prefix : "";
        text += word.substr(begin, end - begin);
        if (end == word.size()) text += options_.end_of_word_suffix;
        return text;
    }

    bool falls_back(std::string_view bytes) const {
        return options_.byte_fallback && std::all_of(bytes.begin(), bytes.end(), [&](char byte) {
                   return byte_ids_[static_cast<unsigned char>(byte)] >= 0;
               });
    }

    void split(std::string_view word, std::vector<Symbol>& out) const {
        std::optional<Symbol> unknown;  // that may grow
        const auto end_unknown = [&] {
            if (unknown) out.push_back(*unknown);
            unknown.reset();
        };
        for (std::size_t begin = 0; begin < word.size();) {
            const Utf8Char c = first_char(word.substr(begin));
            const std::size_t end = begin + c.length;
            if (const std::int32_t id = id_of_char(word, begin, c); id >= 0) {
                end_unknown();
                out.push_back({id, begin, end});
            } else if (const std::string text = text_of_char(word, begin, end); falls_back(text)) {
                const std::size_t before = begin > 0 ? options_.continuing_subword_prefix.size() : 0;
                for (std::size_t i = 0; i < text.size(); ++i) {  // those of prefix and suffix stand for nothing
                    const std::size_t at = begin + std::min(i - std::min(i, before), c.length);
                    const bool is_own = i >= before && i - before < c.length;
                    out.push_back({byte_ids_[static_cast<unsigned char>(text[i])], at, at + is_own});
                }
            } else if (unk_id_ >= 0) {
                if (unknown && options_.fuse_unk) {
                    unknown->end = end;
                } else {
                    end_unknown();
                    unknown = {unk_id_, begin, end};
                }
            }
            begin = end;
        }
        end_unknown();
    }

    /// The pair of lowest rank, the leftmost of equals, until none is left.
    void merge_short(std::size_t first, std::vector<Symbol>& symbols) const {
        std::size_t count = symbols.size() - first;
        Symbol* const word = symbols.data() + first;
        std::array<Merge, kShort> next;  // [i]: of symbols i and i + 1
        const auto look = [&](std::size_t i) { next[i] = merges_.find(word[i].id, word[i + 1].id); };
        for (std::size_t i = 0; i + 1 < count; ++i) look(i);
        while (count > 1) {
            std::size_t best = 0;
            for (std::size_t i = 1; i + 1 < count; ++i)
                if (next[i].rank < next[best].rank) best = i;
            if (next[best].rank == kNoRank) break;
            word[best] = {next[best].id, word[best].begin, word[best + 1].end};
            for (std::size_t i = best + 1; i + 1 < count; ++i) {
                word[i] = word[i + 1];
                next[i] = next[i + 1];
            }
            --count;
            if (best + 1 < count) look(best);
            if (best > 0) look(best - 1);
        }
        symbols.resize(first + count);
    }

    /// The same with a heap of the merges that were possible when they were found.
    void merge_long(std::size_t first, std::vector<Symbol>& symbols) const {
        struct Candidate {
            Merge merge;
            std::size_t at;
        };
        const auto worse = [](const Candidate& a, const Candidate& b) {
            return std::tie(a.merge.rank, a.at) > std::tie(b.merge.rank, b.at);
        };
        std::vector<Link> links(symbols.size() - first);
        for (std::size_t i = 0; i < links.size(); ++i)
            links[i] = {symbols[first + i], i == 0 ? kEnd : i - 1, i + 1 == links.size() ? kEnd : i + 1};
        const auto merge_at = [&](std::size_t at) {
            return links[at].next == kEnd ? Merge{}
                                          : merges_.find(links[at].symbol.id, links[links[at].next].symbol.id);
        };
        std::vector<Candidate> found;
        for (std::size_t at = 0; at < links.size(); ++at)
            if (const Merge merge = merge_at(at); merge.rank != kNoRank) found.push_back({merge, at});
        std::priority_queue heap(worse, std::move(found));
        const auto propose = [&](std::size_t at) {
            if (const Merge merge = merge_at(at); merge.rank != kNoRank) heap.push({merge, at});
        };
        while (!heap.empty()) {
            const Candidate best = heap.top();
            heap.pop();
            Link& left = links[best.at];
            if (left.symbol.id < 0 || merge_at(best.at).id != best.merge.id) continue;  // it has changed since
            Link& right = links[left.next];
            left.symbol = {best.merge.id, left.symbol.begin, right.symbol.end};
            left.next = right.next;
            right.symbol.id = -1;
            if (left.next != kEnd) links[left.next].previous = best.at;
            propose(best.at);
            if (left.previous != kEnd) propose(left.previous);
        }
        symbols.resize(first);
        for (const Link& link : links)
            if (link.symbol.id >= 0) symbols.push_back(link.symbol);
    }

    std::shared_ptr<const Vocabulary> vocabulary_;
    BpeOptions options_;
    MergeTable merges_;
    std::int32_t unk_id_ = -1;
    std::array<std::int32_t, 256> byte_ids_{};
    std::array<std::int32_t, 0x180> first_chars_{};  // of the characters that are most frequent; -1: no token
};

}  // namespace

std::unique_ptr<TokenModel> make_bpe(std::shared_ptr<const Vocabulary> vocabulary,
                                     const std::vector<std::pair<std::string, std::string>>& merges,
                                     const BpeOptions& options, std::string_view where) {
    return std::make_unique<Bpe>(std::move(vocabulary), merges, options, where);
}

}  // namespace vitro
