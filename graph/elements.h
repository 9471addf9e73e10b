// The elements of a value in memory of their own, and how far two values are apart.
#pragma once

#include "graph/shape.h"

#include <cstddef>
#include <string>
#include <vector>

namespace vitro {

/// Row-major, as a Tensor's data.
using Elements = std::vector<std::byte>;

/// The number that stands at an index; of a packed type, the elements of a block are counted row by row, the blocks in
/// the order in which they lie.
double element(DType dtype, const std::byte* data, std::int64_t index);
/// Number of elements.
std::int64_t count(DType dtype, const Elements& elements);
/// The largest finite magnitude.
double largest(DType dtype, const Elements& elements);
/// One unit in the last place of a float type, relative to the value; of a rounded type, relative to its block's
/// largest.
double unit(DType dtype);

/// Elements are near each other when |found - expected| <= absolute + relative * |expected|.
struct Tolerance {
    double relative = 0, absolute = 0;
};

/// The first element in which values of this type differ by more than the tolerance, as "element 3 of f32 [T, 4]:
/// expected 1, found 2"; empty when there is none. Infinities must be equal, and near NaN is NaN alone. Packed values
/// must be equal byte by byte.
std::string first_difference(const TensorType& type, const Elements& expected, const Elements& found,
                             Tolerance tolerance);

}  // namespace vitro
