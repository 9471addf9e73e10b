// Sets of values that are one memory.
#pragma once

#include "graph/graph.h"

#include <numeric>

namespace vitro {

/// Disjoint sets over the values of a graph; each value is alone at first.
class Sharing {
public:
    explicit Sharing(std::size_t values) : parent_(values) { std::iota(parent_.begin(), parent_.end(), 0); }

    /// What stands for the set of `id`: the same for all its values.
    std::size_t root(ValueId id) {
        auto at = static_cast<std::size_t>(id);
        while (parent_[at] != at) at = parent_[at] = parent_[parent_[at]];
        return at;
    }
    /// `a`'s root stays the root.
    void join(ValueId a, ValueId b) { parent_[root(b)] = root(a); }

private:
    std::vector<std::size_t> parent_;
};

}  // namespace vitro
