// What the rows of a KV cache are kept in: floats, f8e4m3, or blocks of q8_0 along each head.
#pragma once

#include "base/q8_0.h"
#include "graph/shape.h"

namespace vitro {

/// Error, naming the input, unless `found` is a cache: [P, page, n, d] of a dtype that caches are kept in, with heads
/// of whole blocks.
inline void expect_cache(std::string_view input, const TensorType& found) {
    const bool is_blocks = found.dtype == DType::q8_0;
    if ((!is_stored_float(found.dtype) && !is_blocks) || found.rank() != 4)
        fail("{}: expected a float, f8e4m3 or q8_0 of rank 4, found {}", input, to_string(found));
    if (is_blocks && (found.dim(3).is_symbol() || found.dim(3).size % Q8Block::kElements != 0))
        fail("{}: expected heads of a multiple of {} elements in a cache of q8_0, found {}", input, Q8Block::kElements,
             to_string(found));
}

/// Calls `body` with a value of the C++ type that a cache stores, an element of it or a block.
template <class Body>
decltype(auto) dispatch_cache(DType dtype, Body&& body) {
    if (dtype == DType::q8_0) return body(Q8Block{});
    return dispatch_stored_float(dtype, std::forward<Body>(body));
}

/// How many elements of a row one T has.
template <class T>
inline constexpr std::int64_t kElementsOf = 1;
template <>
inline constexpr std::int64_t kElementsOf<Q8Block> = Q8Block::kElements;

/// Element i of a row.
template <class T>
float element_of(const T* row, std::int64_t i) {
    return float(row[i]);
}
inline float element_of(const Q8Block* row, std::int64_t i) {
    const Q8Block& block = row[i / Q8Block::kElements];
    return float(block.scale) * static_cast<float>(block.numbers[i % Q8Block::kElements]);
}

/// to = `elements` floats in fp32, rounded: whole blocks.
template <class T>
void round_row(const float* from, std::int64_t elements, T* to) {
    for (std::int64_t i = 0; i < elements; ++i) to[i] = T(from[i]);
}
inline void round_row(const float* from, std::int64_t elements, Q8Block* to) { round_to_q8_0(from, elements, to); }

}  // namespace vitro
