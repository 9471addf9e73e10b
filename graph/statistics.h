// What the elements of a tensor are like: extremes, mean, root mean square, and how many are no finite number.
#pragma once

#include "base/tensor.h"

#include <string>
#include <vector>

namespace vitro {

/// Of finite elements alone; the others are counted. Without a finite element min and max are NaN, mean and rms too.
struct Statistics {
    double min = 0, max = 0, mean = 0, rms = 0;
    std::int64_t elements = 0;
    std::int64_t nan = 0, plus_infinity = 0, minus_infinity = 0;

    /// NaN or +Inf. -Inf is what a mask adds to a score.
    bool is_broken() const { return nan + plus_infinity > 0; }
};

/// Of each index along `axis`, whatever stands around it; of the whole tensor, as one entry, where `axis` is -1.
/// `tensor` is of any type; in host memory.
std::vector<Statistics> statistics(const Tensor& tensor, int axis = -1);

/// The first element that is NaN or infinite, or -1.
std::int64_t first_not_finite(const Tensor& tensor);

/// The same tensor, or where it is block-quantized, packed or rounded its numbers as f32, in `memory`.
Tensor without_blocks(const Tensor& tensor, std::vector<float>& memory);

/// The place of an element, by its number in row-major order: "[3, 17]".
std::string position_text(const Tensor& tensor, std::int64_t index);

}  // namespace vitro
