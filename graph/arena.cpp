#include "graph/arena.h"

#include <algorithm>
#include <functional>

namespace vitro {
namespace {

constexpr std::size_t kRepairs = 48;              // attempts to push down what sticks out,
constexpr std::size_t kRepairPairs = 20'000'000;  // while they compare fewer pairs of pieces than that

using Order = std::vector<std::size_t>;  // indices of pieces

/// Finds the placed pieces that are in use during some time, without looking at the others: a tree over all pieces by
/// their first step, which knows the largest last step of the placed ones below each of its nodes.
class PlacedPieces {
public:
    explicit PlacedPieces(const std::vector<Piece>& pieces) : pieces_(pieces), slot_of_(pieces.size()) {
        for (std::size_t i = 0; i < pieces.size(); ++i) by_first_.push_back(i);
        std::stable_sort(by_first_.begin(), by_first_.end(),
                         [&](std::size_t a, std::size_t b) { return pieces[a].first < pieces[b].first; });
        for (std::size_t slot = 0; slot < by_first_.size(); ++slot) slot_of_[by_first_[slot]] = slot;
        while (leaves_ < pieces.size()) leaves_ *= 2;
        clear();
    }

    void clear() { last_.assign(2 * leaves_, -1); }

    void add(std::size_t index) {
        for (std::size_t at = leaves_ + slot_of_[index]; at > 0; at /= 2)
            last_[at] = std::max(last_[at], pieces_[index].last);
    }

    /// Appends to `out` every placed piece that is in use at some step of `piece`'s.
    void append_overlapping(const Piece& piece, std::vector<const Piece*>& out) const {
        const auto begins_later = [&](std::int32_t last, std::size_t i) { return last < pieces_[i].first; };
        const auto end = std::upper_bound(by_first_.begin(), by_first_.end(), piece.last, begins_later);
        append_from(1, 0, leaves_, static_cast<std::size_t>(end - by_first_.begin()), piece.first, out);
    }

private:
    /// Of the slots [begin, begin + size) below tree node `at`, those before `end` that are in use at `first` or later.
    /// As deep as the tree: at most 32.
    void append_from(std::size_t at, std::size_t begin, std::size_t size, std::size_t end, std::int32_t first,
                     std::vector<const Piece*>& out) const {
        if (begin >= end || last_[at] < first) return;
        if (size == 1) {
            out.push_back(&pieces_[by_first_[begin]]);
            return;
        }
        append_from(2 * at, begin, size / 2, end, first, out);
        append_from(2 * at + 1, begin + size / 2, size / 2, end, first, out);
    }

    const std::vector<Piece>& pieces_;
    std::vector<std::size_t> by_first_, slot_of_;  // each other's inverse
    std::size_t leaves_ = 1;
    std::vector<std::int32_t> last_;  // of the tree, its root at 1; -1 where nothing is placed
};

/// Places the pieces in this order, each as low as it fits; returns the end of the highest.
class FirstFit {
public:
    explicit FirstFit(std::vector<Piece>& pieces) : pieces_(pieces), placed_(pieces) {}

    std::size_t run(const Order& order) {
        placed_.clear();
        std::size_t end = 0;
        for (const std::size_t index : order) {
            Piece& piece = pieces_[index];
            overlapping_.clear();
            placed_.append_overlapping(piece, overlapping_);
            std::sort(overlapping_.begin(), overlapping_.end(),
                      [](const Piece* a, const Piece* b) { return a->offset < b->offset; });
            pairs_ += overlapping_.size();
            piece.offset = 0;
            for (const Piece* other : overlapping_) {
                if (piece.offset + piece.bytes <= other->offset) break;
                piece.offset = std::max(piece.offset, other->offset + other->bytes);
            }
            end = std::max(end, piece.offset + piece.bytes);
            placed_.add(index);
        }
        return end;
    }

    /// How many pairs of pieces were compared so far.
    std::size_t pairs() const { return pairs_; }

private:
    std::vector<Piece>& pieces_;
    PlacedPieces placed_;
    std::vector<const Piece*> overlapping_;
    std::size_t pairs_ = 0;
};

}  // namespace

std::size_t most_live_bytes(const std::vector<Piece>& pieces) {
    std::int32_t end = 0;
    for (const Piece& piece : pieces) end = std::max(end, piece.last + 1);
    std::vector<std::ptrdiff_t> change(static_cast<std::size_t>(end) + 1);
    for (const Piece& piece : pieces) {
        change[static_cast<std::size_t>(piece.first)] += static_cast<std::ptrdiff_t>(piece.bytes);
        change[static_cast<std::size_t>(piece.last) + 1] -= static_cast<std::ptrdiff_t>(piece.bytes);
    }
    std::ptrdiff_t live = 0, most = 0;
    for (const std::ptrdiff_t delta : change) most = std::max(most, live += delta);
    return static_cast<std::size_t>(most);
}

std::size_t pack(std::vector<Piece>& pieces) {
    Order all;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        pieces[i].offset = 0;
        if (pieces[i].bytes > 0) all.push_back(i);
    }
    const auto life = [&](std::size_t i) { return static_cast<std::size_t>(pieces[i].last - pieces[i].first + 1); };
    const std::function<std::size_t(std::size_t)> keys[] = {
        [&](std::size_t i) { return pieces[i].bytes; },
        [&](std::size_t i) { return pieces[i].bytes * life(i); },
        [&](std::size_t i) { return life(i); },
        [&](std::size_t i) { return static_cast<std::size_t>(INT32_MAX - pieces[i].first); },
    };

    const std::size_t lower_bound = most_live_bytes(pieces);
    FirstFit fit(pieces);
    std::size_t best_end = SIZE_MAX;
    Order best;
    const auto attempt = [&](const Order& order) {
        const std::size_t end = fit.run(order);
        if (end < best_end) {
            best_end = end;
            best = order;
        }
        return end;
    };
    std::vector<std::size_t> key(pieces.size());
    for (const auto& key_of : keys) {
        if (best_end <= lower_bound) break;
        Order order = all;
        for (const std::size_t i : all) key[i] = key_of(i);
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return key[a] > key[b]; });
        attempt(order);
    }
    Order order = best;
    std::size_t end = fit.run(order);
    for (std::size_t repair = 0; repair < kRepairs && best_end > lower_bound && fit.pairs() < kRepairPairs; ++repair) {
        const auto sticks_out = [&](std::size_t i) { return pieces[i].offset + pieces[i].bytes == end; };
        std::stable_partition(order.begin(), order.end(), sticks_out);
        end = attempt(order);
    }
    fit.run(best);
    return best_end == SIZE_MAX ? 0 : best_end;
}

}  // namespace vitro
