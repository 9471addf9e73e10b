// Checks that ops share in their shape inference; the builder adds op, path, all types and the place to the error.
#pragma once

#include "base/blocks.h"
#include "graph/shape.h"

#include <string_view>

namespace vitro {

/// Error, naming the input, unless `found` is i32 of this shape.
inline void expect_i32(std::string_view input, const TensorType& found, const Shape& shape) {
    const TensorType expected{DType::i32, shape};
    if (found != expected) fail("{}: expected {}, found {}", input, to_string(expected), to_string(found));
}

/// Error, naming the input, unless `found` is i32 with this many dimensions, of any size.
inline void expect_i32(std::string_view input, const TensorType& found, int rank) {
    if (found.dtype != DType::i32 || found.rank() != rank)
        fail("{}: expected i32 of rank {}, found {}", input, rank, to_string(found));
}

/// Error, naming the input, unless `found` is a float with this many dimensions.
inline void expect_float(std::string_view input, const TensorType& found, int rank) {
    if (!is_float(found.dtype) || found.rank() != rank)
        fail("{}: expected a float of rank {}, found {}", input, rank, to_string(found));
}

/// Error, naming the input, unless `found` is a float or one that only weights and caches are kept in, with this many
/// dimensions.
inline void expect_stored_float(std::string_view input, const TensorType& found, int rank) {
    if (!is_stored_float(found.dtype) || found.rank() != rank)
        fail("{}: expected a float or f8e4m3 of rank {}, found {}", input, rank, to_string(found));
}

/// Error, naming the input, unless `found` is block-quantized, with this many dimensions and whole blocks in its last
/// one.
inline void expect_blocks(std::string_view input, const TensorType& found, int rank) {
    const std::int64_t block = info(found.dtype).block_elements;
    if (!is_block_quantized(found.dtype) || found.rank() != rank || found.dim(-1).is_symbol() ||
        found.dim(-1).size % block != 0)
        fail("{}: expected blocks of rank {}, the last dimension a constant multiple of {}, found {}", input, rank,
             block, to_string(found));
}

/// Error, naming the input, unless `found` is a packed matrix of whole blocks.
inline void expect_packed(std::string_view input, const TensorType& found) {
    const std::int64_t rows = info(found.dtype).block_rows, columns = block_columns(found.dtype);
    if (!is_packed(found.dtype) || found.rank() != 2 || found.dim(0).is_symbol() || found.dim(0).size % rows != 0 ||
        found.dim(1).is_symbol() || found.dim(1).size % columns != 0)
        fail("{}: expected packed blocks of rank 2, of {} rows by {} columns each, found {}", input, rows, columns,
             to_string(found));
}

/// Error, naming the input, unless `found` is a float.
inline void expect_float(std::string_view input, const TensorType& found) {
    if (!is_float(found.dtype)) fail("{}: expected a float, found {}", input, to_string(found));
}

/// Error, naming the input, unless `found` has at least this many dimensions.
inline void expect_rank_at_least(std::string_view input, const TensorType& found, int rank) {
    if (found.rank() < rank) fail("{}: expected at least {} dimensions, found {}", input, rank, to_string(found));
}

}  // namespace vitro
