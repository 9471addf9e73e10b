// The loops of a copy between two strided views.
#pragma once

#include "ops/common/strided.h"

#include <algorithm>

namespace vitro {

/// Sizes and strides of `from` and `to`, in elements, with as few dimensions as describe the copy; the innermost of
/// `to` is last.
struct CopyNest {
    int rank = 0;
    std::array<std::int64_t, kMaxRank> sizes{}, from{}, to{};

    CopyNest(const StridedView& source, const StridedView& target) {
        for (int i = 0; i < target.rank; ++i) {
            const auto axis = std::size_t(i), last = std::size_t(rank - 1);
            const std::int64_t size = target.sizes[axis];
            if (size == 1) continue;
            if (rank > 0 && from[last] == source.strides[axis] * size && to[last] == target.strides[axis] * size) {
                sizes[last] *= size;  // the outer dimension goes on where this one ends: one dimension
                from[last] = source.strides[axis];
                to[last] = target.strides[axis];
            } else {
                const auto next = std::size_t(rank++);
                sizes[next] = size;
                from[next] = source.strides[axis];
                to[next] = target.strides[axis];
            }
        }
        if (rank == 0) {  // one element
            rank = 1;
            sizes[0] = 1;
            from[0] = to[0] = 1;
        }
    }

    std::int64_t count(int dimensions) const {
        std::int64_t n = 1;
        for (int i = 0; i < dimensions; ++i) n *= sizes[std::size_t(i)];
        return n;
    }

    /// Where `from` is contiguous along another dimension than `to`: makes that one the last but one. The two are then
    /// best copied in tiles. False, and nothing changes, where it is not so.
    bool turn_tiles() {
        int axis = -1;
        for (int i = 0; i < rank; ++i)
            if (from[std::size_t(i)] == 1) axis = i;
        if (axis < 0 || axis == rank - 1 || to[std::size_t(rank - 1)] != 1) return false;
        for (auto* array : {&sizes, &from, &to})
            std::rotate(array->begin() + axis, array->begin() + axis + 1, array->begin() + rank - 1);
        return true;
    }

    struct Offsets {
        std::int64_t from, to;
    };
    /// Where index `row` of the outer `dimensions`, flattened, begins on each side.
    Offsets offsets(std::int64_t row, int dimensions) const {
        Offsets at{0, 0};
        for (int i = dimensions - 1; i >= 0; --i) {
            const auto axis = std::size_t(i);
            const std::int64_t index = row % sizes[axis];
            row /= sizes[axis];
            at.from += index * from[axis];
            at.to += index * to[axis];
        }
        return at;
    }
};

}  // namespace vitro
