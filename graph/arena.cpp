#include "graph/arena.h"

#include <algorithm>
#include <functional>

namespace vitro {
namespace {

constexpr std::size_t kRepairs = 48;              // attempts to push down what sticks out,
constexpr std::size_t kRepairPairs = 20'000'000;  // and how many pairs of pieces they may compare

using Order = std::vector<std::size_t>;  // indices of pieces

/// Places the pieces in this order, each as low as it fits; returns the end of the highest.
class FirstFit {
public:
    explicit FirstFit(std::vector<Piece>& pieces) : pieces_(pieces) { placed_.reserve(pieces.size()); }

    std::size_t run(const Order& order) {
        placed_.clear();
        std::size_t end = 0;
        for (const std::size_t index : order) {
            Piece& piece = pieces_[index];
            std::size_t offset = 0;
            for (const Piece* other : placed_) {
                if (other->last < piece.first || piece.last < other->first) continue;
                if (offset + piece.bytes <= other->offset) break;
                offset = std::max(offset, other->offset + other->bytes);
            }
            piece.offset = offset;
            end = std::max(end, offset + piece.bytes);
            const auto above = [](const Piece* a, const Piece* b) { return a->offset < b->offset; };
            placed_.insert(std::upper_bound(placed_.begin(), placed_.end(), &piece, above), &piece);
        }
        return end;
    }

private:
    std::vector<Piece>& pieces_;
    std::vector<const Piece*> placed_;  // by offset
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
    const std::size_t repairs = std::min(kRepairs, kRepairPairs / (all.size() * all.size() + 1));
    for (std::size_t repair = 0; repair < repairs && best_end > lower_bound; ++repair) {
        const auto sticks_out = [&](std::size_t i) { return pieces[i].offset + pieces[i].bytes == end; };
        std::stable_partition(order.begin(), order.end(), sticks_out);
        end = attempt(order);
    }
    fit.run(best);
    return best_end == SIZE_MAX ? 0 : best_end;
}

}  // namespace vitro
