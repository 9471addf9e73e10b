#include "frontend/tokenizer/bpe.h"

#include "base/error.h"
#include "frontend/tokenizer/unicode.h"

#include <algorithm>
#include <charconv>
#include <queue>
#include <tuple>
#include <utility>

namespace vitro {

std::optional<unsigned char> byte_of_piece(std::string_view piece) {
    if (piece.size() != 6 || !piece.starts_with("<0x") || piece.back() != '>') return std::nullopt;
    unsigned char byte = 0;
    const auto [end, error] = std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16);
    if (error != std::errc{} || end != piece.data() + 5) return std::nullopt;
    return byte;
}

Bpe::Bpe(std::vector<std::string> pieces, std::int32_t unknown_id)
    : pieces_(std::move(pieces)), unknown_id_(unknown_id) {
    ids_.reserve(pieces_.size());
    for (std::size_t id = 0; id < pieces_.size(); ++id) {
        VITRO_CHECK(ids_.emplace(pieces_[id], static_cast<std::int32_t>(id)).second, "piece {} stands twice", id);
        longest_ = std::max(longest_, pieces_[id].size());
    }
    for (int byte = 0; byte < 256; ++byte) {
        const std::optional<std::int32_t> id = find(fmt::format("<0x{:02X}>", byte));
        if (!id) {
            byte_ids_.clear();
            break;
        }
        byte_ids_.push_back(*id);
    }
}

std::optional<std::int32_t> Bpe::find(std::string_view piece) const {
    if (piece.size() > longest_) return std::nullopt;
    const auto found = ids_.find(piece);
    if (found == ids_.end()) return std::nullopt;
    return found->second;
}

/// The merging of one text: a linked list of symbols and a heap of merges that were possible when they were found.
struct Bpe::Merger {
    static constexpr std::size_t kEnd = static_cast<std::size_t>(-1);

    struct Link {
        Symbol symbol;
        std::size_t previous = kEnd;
        std::size_t next = kEnd;
        bool merges = true;  // bytes and the unknown do not take part
    };
    struct Candidate {
        std::int32_t id;
        std::size_t left_length;
        std::size_t position;
        std::size_t length;
    };
    struct IsWorse {
        bool operator()(const Candidate& a, const Candidate& b) const {
            return std::tie(a.id, a.left_length, a.position) > std::tie(b.id, b.left_length, b.position);
        }
    };

    const Bpe& bpe;
    std::string_view text;
    std::vector<Link> links;
    std::priority_queue<Candidate, std::vector<Candidate>, IsWorse> heap;

    void add(std::int32_t id, std::size_t begin, std::size_t length, bool merges) {
        const std::size_t position = links.size();
        if (position > 0) links.back().next = position;
        links.push_back({{id, begin, length}, position == 0 ? kEnd : position - 1, kEnd, merges});
    }

    void split() {
        for (std::size_t begin = 0; begin < text.size();) {
            const std::size_t length = first_char(text.substr(begin)).length;
            if (const std::optional<std::int32_t> id = bpe.find(text.substr(begin, length))) {
                add(*id, begin, length, true);
            } else if (!bpe.byte_ids_.empty()) {
                for (std::size_t i = begin; i < begin + length; ++i)
                    add(bpe.byte_ids_[static_cast<unsigned char>(text[i])], i, 1, false);
            } else if (!links.empty() && !links.back().merges) {
                links.back().symbol.length += length;
            } else {
                add(bpe.unknown_id_, begin, length, false);
            }
            begin += length;
        }
    }

    void propose(std::size_t position) {
        const Link& left = links[position];
        if (left.next == kEnd || !left.merges || !links[left.next].merges) return;
        const std::size_t length = left.symbol.length + links[left.next].symbol.length;
        if (const std::optional<std::int32_t> id = bpe.find(text.substr(left.symbol.begin, length)))
            heap.push({*id, left.symbol.length, position, length});
    }

    void merge() {
        for (std::size_t position = 0; position < links.size(); ++position) propose(position);
        while (!heap.empty()) {
            const Candidate best = heap.top();
            heap.pop();
            Link& left = links[best.position];
            // A symbol that was merged away has length 0; one that grew, or whose neighbour did, was proposed anew.
            if (left.symbol.length != best.left_length || left.next == kEnd) continue;
            Link& right = links[left.next];
            if (left.symbol.length + right.symbol.length != best.length) continue;
            left.symbol.id = best.id;
            left.symbol.length = best.length;
            left.next = std::exchange(right.next, kEnd);
            right.symbol.length = 0;
            if (left.next != kEnd) links[left.next].previous = best.position;
            propose(best.position);
            if (left.previous != kEnd) propose(left.previous);
        }
    }
};

void Bpe::encode(std::string_view text, std::vector<Symbol>& out) const {
    Merger merger{*this, text, {}, {}};
    merger.links.reserve(text.size());
    merger.split();
    merger.merge();
    for (const Merger::Link& link : merger.links)
        if (link.symbol.length > 0) out.push_back(link.symbol);
}

}  // namespace vitro
