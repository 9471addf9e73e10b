// A choice among candidates of which some may fail when they are used.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace vitro {

/// Candidates in order of preference. The one that worked is tried first from then on.
template <class Candidate>
class FirstThatWorks {
public:
    FirstThatWorks() = default;
    explicit FirstThatWorks(std::vector<Candidate> candidates) : candidates_(std::move(candidates)) {}

    /// Calls attempt(candidate) until it returns true; false when it never does.
    template <class Attempt>
    bool run(Attempt&& attempt) {
        for (std::size_t tried = 0; tried < candidates_.size(); ++tried) {
            const std::size_t i = (first_ + tried) % candidates_.size();
            if (!attempt(candidates_[i])) continue;
            first_ = i;
            return true;
        }
        return false;
    }

private:
    std::vector<Candidate> candidates_;
    std::size_t first_ = 0;
};

}  // namespace vitro
