#include "frontend/tokenizer/conformance.h"

#include <algorithm>
#include <utility>

namespace vitro {
namespace {

using Part = Tokenizer::Trace::Part;
using Piece = Tokenizer::Piece;

/// Whether the parts that touch [begin, end) differ.
bool differ(const std::vector<Part>& a, const std::vector<Part>& b, std::size_t begin, std::size_t end) {
    const auto inside = [&](const std::vector<Part>& parts) {
        std::vector<Part> out;
        for (const Part& part : parts)
            if (part.begin < end && part.end > begin) out.push_back(part);
        return out;
    };
    return inside(a) != inside(b);
}

std::string rule_of(const Tokenizer::Trace& a, const Tokenizer::Trace& b, std::size_t begin, std::size_t end) {
    if (begin == end) return "tokens around the text (post-processor)";
    if (differ(a.added, b.added, begin, end)) return "added tokens";
    if (differ(a.words, b.words, begin, end))
        return differ(a.normalized, b.normalized, begin, end) ? "normalizer or pre-tokenizer" : "pre-tokenizer";
    return "model (vocabulary, merges or scores)";
}

/// Whether pieces `at` in `pieces` are a boundary: nothing before reaches past `place`, nothing after starts before it.
std::size_t first_from(const std::vector<Piece>& pieces, std::size_t from, std::size_t place) {
    while (from < pieces.size() && pieces[from].end <= place && pieces[from].begin < place) ++from;
    return from;
}

std::vector<std::int32_t> ids_of(std::span<const Piece> pieces) {
    std::vector<std::int32_t> ids;
    for (const Piece& piece : pieces) ids.push_back(piece.id);
    return ids;
}

/// How many of the first tokens of a and b differ before `run` are alike again; as few as possible of both together.
std::pair<std::size_t, std::size_t> skip(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
    constexpr std::size_t kFarthest = 400, kRun = 3;
    for (std::size_t sum = 1; sum <= kFarthest; ++sum)
        for (std::size_t i = 0; i <= std::min(sum, a.size()); ++i) {
            const std::size_t j = sum - i;
            if (j > b.size()) continue;
            const std::size_t run = std::min({kRun, a.size() - i, b.size() - j});
            const bool at_end = i == a.size() && j == b.size();
            if (at_end || (run > 0 && (run == kRun || (i + run == a.size() && j + run == b.size())) &&
                           std::equal(a.begin() + static_cast<std::ptrdiff_t>(i),
                                      a.begin() + static_cast<std::ptrdiff_t>(i + run),
                                      b.begin() + static_cast<std::ptrdiff_t>(j))))
                return {i, j};
        }
    return {a.size(), b.size()};
}

std::string spelled(const Tokenizer& tokenizer, std::span<const std::int32_t> ids) {
    std::string out;
    for (const std::int32_t id : ids)
        if (id >= 0 && id < tokenizer.vocab_size()) out += tokenizer.piece(id);
    return out;
}

/// The rule by which `parting` of a table came about, as far as the spellings tell it.
std::string rule_of_ids(const Tokenizer& ours, const Tokenizer::Trace& trace, const TokenParting& parting) {
    const auto known = [&](std::int32_t id) { return id >= 0 && id < ours.vocab_size() && !ours.piece(id).empty(); };
    if (!std::all_of(parting.theirs.begin(), parting.theirs.end(), known)) return "vocabulary: no such id";
    if (parting.begin == parting.end) return "tokens around the text (post-processor)";
    const auto special = [&](std::int32_t id) { return ours.is_special(id); };
    if (std::any_of(parting.theirs.begin(), parting.theirs.end(), special) ||
        std::any_of(parting.ours.begin(), parting.ours.end(), special))
        return "added tokens";
    if (spelled(ours, parting.ours) != spelled(ours, parting.theirs)) return "normalizer, or another text";
    // A token of theirs that reaches over the end of one of our words was cut by another rule.
    std::size_t words = 0;
    for (const Part& word : trace.words) words += word.begin < parting.end && word.end > parting.begin;
    if (words > 1 && parting.theirs.size() < parting.ours.size()) return "pre-tokenizer, or the model";
    return "model (vocabulary, merges or scores)";
}

}  // namespace

std::vector<TokenParting> compare_tokenizers(const Tokenizer& ours, const Tokenizer& theirs, std::string_view text) {
    const Tokenizer::Trace a = ours.trace(text), b = theirs.trace(text);
    std::vector<TokenParting> partings;
    const auto same = [&](const Piece& x, const Piece& y) {
        return x.begin == y.begin && x.end == y.end && ours.piece(x.id) == theirs.piece(y.id);
    };
    std::size_t i = 0, j = 0;
    while (i < a.pieces.size() || j < b.pieces.size()) {
        if (i < a.pieces.size() && j < b.pieces.size() && same(a.pieces[i], b.pieces[j])) {
            const Piece& piece = a.pieces[i];
            if (piece.id != b.pieces[j].id)
                partings.push_back(
                    {piece.begin, piece.end, "vocabulary: one spelling, two ids", {piece.id}, {b.pieces[j].id}});
            ++i, ++j;
            continue;
        }
        const std::size_t from_i = i, from_j = j;
        const std::size_t begin = std::min(i < a.pieces.size() ? a.pieces[i].begin : text.size(),
                                           j < b.pieces.size() ? b.pieces[j].begin : text.size());
        // On to the next place where both have a boundary.
        std::size_t end = begin;
        do {
            if (i < a.pieces.size() && (j >= b.pieces.size() || a.pieces[i].end <= b.pieces[j].end))
                end = std::max(end, a.pieces[i++].end);
            else if (j < b.pieces.size())
                end = std::max(end, b.pieces[j++].end);
            i = first_from(a.pieces, i, end);
            j = first_from(b.pieces, j, end);
        } while ((i < a.pieces.size() && a.pieces[i].begin < end) || (j < b.pieces.size() && b.pieces[j].begin < end));
        partings.push_back({begin, end, rule_of(a, b, begin, end),
                            ids_of(std::span(a.pieces).subspan(from_i, i - from_i)),
                            ids_of(std::span(b.pieces).subspan(from_j, j - from_j))});
    }
    return partings;
}

std::vector<TokenParting> compare_with_ids(const Tokenizer& ours, std::span<const std::int32_t> ids,
                                           std::string_view text) {
    const Tokenizer::Trace trace = ours.trace(text);
    const std::vector<std::int32_t> own = ids_of(trace.pieces);
    std::vector<TokenParting> partings;
    std::size_t i = 0, j = 0;
    while (i < own.size() || j < ids.size()) {
        if (i < own.size() && j < ids.size() && own[i] == ids[j]) {
            ++i, ++j;
            continue;
        }
        const auto [skip_i, skip_j] = skip(std::span(own).subspan(i), ids.subspan(j));
        const auto place = [&](std::size_t at) { return at < own.size() ? trace.pieces[at].begin : text.size(); };
        TokenParting parting{place(i), skip_i == 0 ? place(i) : trace.pieces[i + skip_i - 1].end, {}, {}, {}};
        parting.ours.assign(own.begin() + static_cast<std::ptrdiff_t>(i),
                            own.begin() + static_cast<std::ptrdiff_t>(i + skip_i));
        const auto found = ids.subspan(j, skip_j);
        parting.theirs.assign(found.begin(), found.end());
        parting.rule = rule_of_ids(ours, trace, parting);
        partings.push_back(std::move(parting));
        i += skip_i;
        j += skip_j;
    }
    return partings;
}

}  // namespace vitro
