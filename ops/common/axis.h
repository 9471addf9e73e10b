// The axis attribute of movement ops.
#pragma once

#include "base/blocks.h"
#include "graph/shape.h"

namespace vitro {

/// `axis` counted from the outermost dimension; negative ones count from the innermost (-1). Error when there is no
/// such axis in `type`.
inline int resolve_axis(std::int64_t axis, const TensorType& type) {
    const int rank = type.rank();
    if (axis < -rank || axis >= rank) fail("expected an axis in [{}, {}), found {}", -rank, rank, axis);
    return static_cast<int>(axis < 0 ? axis + rank : axis);
}

/// The same for a tensor whose type has been checked.
inline int resolve_axis(std::int64_t axis, int rank) { return static_cast<int>(axis < 0 ? axis + rank : axis); }

/// The size of the axis. Error when it is a symbol: where a piece begins would not be known.
inline std::int64_t constant_size(const TensorType& type, int axis) {
    const Dim dim = type.dim(axis);
    if (dim.is_symbol()) fail("expected a constant size along axis {}, found {}", axis, to_string(dim));
    return dim.size;
}

/// Error when something is to be done along the rows of a type of blocks: only whole rows are moved.
inline void expect_whole_rows(const TensorType& type, int axis) {
    if (info(type.dtype).block_elements > 1 && axis == type.rank() - 1)
        fail("expected an axis other than the rows' own, whose elements are in blocks, found {} of {}", axis,
             to_string(type));
}

}  // namespace vitro
