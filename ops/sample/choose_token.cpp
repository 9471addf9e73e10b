#include "base/half.h"
#include "ops/sample/sample.h"

#include <algorithm>
#include <limits>

namespace vitro {
namespace {

/// Candidates that are sorted as far as somebody asks for them.
class Sorted {
public:
    Sorted(SampleCandidate* candidates, std::int64_t count) : candidates_(candidates), count_(count) {}

    std::int64_t count() const { return count_; }
    /// Those behind the first `count` in order are gone.
    void keep(std::int64_t count) {
        if (count >= count_) return;
        if (count > sorted_) std::nth_element(candidates_ + sorted_, candidates_ + count, candidates_ + count_, before);
        count_ = count;
        sorted_ = std::min(sorted_, count);
    }
    /// The i-th in order.
    const SampleCandidate& operator[](std::int64_t i) {
        while (i >= sorted_) {
            const std::int64_t more = std::min(count_, std::max<std::int64_t>(64, 8 * sorted_));
            if (more < count_)
                std::nth_element(candidates_ + sorted_, candidates_ + more, candidates_ + count_, before);
            std::sort(candidates_ + sorted_, candidates_ + more, before);
            sorted_ = more;
        }
        return candidates_[i];
    }
    /// Sum of the weights of at least `least`.
    std::uint64_t sum(std::uint64_t least) const {
        std::uint64_t weights = 0;
        for (std::int64_t i = 0; i < count_; ++i)
            if (candidates_[i].weight >= least) weights += candidates_[i].weight;
        return weights;
    }

private:
    static bool before(const SampleCandidate& a, const SampleCandidate& b) { return a.order < b.order; }

    SampleCandidate* candidates_;
    std::int64_t count_, sorted_ = 0;
};

}  // namespace

template <class T>
std::int32_t choose_token(const T* logits, std::int64_t n, const SampleRow& row, SampleCandidate* memory) {
    float largest = -std::numeric_limits<float>::infinity();
    std::int32_t first = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        const auto logit = float(logits[i]);
        if (!(logit < std::numeric_limits<float>::infinity())) return -1;
        if (logit > largest) largest = logit, first = static_cast<std::int32_t>(i);
    }
    if (!(row.temperature > 0) || largest == -std::numeric_limits<float>::infinity()) return first;

    std::int64_t count = 0;
    for (std::int64_t i = 0; i < n; ++i) {
        const float distance = sample_distance(float(logits[i]), largest, row.temperature);
        if (distance <= kFarthestCandidate)
            memory[count++] = {sample_order(distance, static_cast<std::int32_t>(i)), sample_weight(distance)};
    }
    Sorted candidates(memory, count);
    if (row.top_k > 0) candidates.keep(row.top_k);
    if (row.top_p < 1) {
        const std::uint64_t wanted = top_p_weight(row.top_p, candidates.sum(0));
        std::int64_t kept = 0;
        for (std::uint64_t reached = 0; reached < wanted;) reached += candidates[kept++].weight;
        candidates.keep(kept);
    }
    const std::uint64_t least = min_p_weight(row.min_p);
    const std::uint64_t drawn =
        drawn_weight(random_uniform(row.seed, static_cast<std::uint64_t>(row.position)), candidates.sum(least));
    std::uint64_t passed = 0;
    for (std::int64_t i = 0; i < candidates.count(); ++i) {
        const SampleCandidate& candidate = candidates[i];
        if (candidate.weight >= least) passed += candidate.weight;
        if (passed > drawn) return token_of_order(candidate.order);
    }
    return first;
}

template std::int32_t choose_token(const float*, std::int64_t, const SampleRow&, SampleCandidate*);
template std::int32_t choose_token(const f16*, std::int64_t, const SampleRow&, SampleCandidate*);
template std::int32_t choose_token(const bf16*, std::int64_t, const SampleRow&, SampleCandidate*);

}  // namespace vitro
