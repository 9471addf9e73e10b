#include "graph/statistics.h"

#include "base/half.h"
#include "base/packed.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vitro {
namespace {

struct Sums {
    Statistics found{.min = std::numeric_limits<double>::infinity(), .max = -std::numeric_limits<double>::infinity()};
    double sum = 0, squares = 0;

    void add(double x) {
        ++found.elements;
        if (std::isnan(x)) {
            ++found.nan;
        } else if (std::isinf(x)) {
            ++(x > 0 ? found.plus_infinity : found.minus_infinity);
        } else {
            found.min = std::min(found.min, x);
            found.max = std::max(found.max, x);
            sum += x;
            squares += x * x;
        }
    }

    Statistics finished() {
        const std::int64_t finite = found.elements - found.nan - found.plus_infinity - found.minus_infinity;
        if (finite == 0) {
            found.min = found.max = found.mean = found.rms = std::numeric_limits<double>::quiet_NaN();
        } else {
            found.mean = sum / static_cast<double>(finite);
            found.rms = std::sqrt(squares / static_cast<double>(finite));
        }
        return found;
    }
};

}  // namespace

Tensor without_blocks(const Tensor& tensor, std::vector<float>& memory) {
    if (info(tensor.dtype).storage == Storage::plain) return tensor;
    Tensor plain = tensor;
    memory.resize(static_cast<std::size_t>(tensor.elements()));
    dequantize_matrix(tensor.dtype, static_cast<const std::byte*>(tensor.data), tensor.rows(), tensor.dim(-1),
                      memory.data());
    plain.dtype = DType::f32;
    plain.data = memory.data();
    return plain;
}

std::vector<Statistics> statistics(const Tensor& blocks, int axis) {
    std::vector<float> memory;
    const Tensor tensor = without_blocks(blocks, memory);
    const std::int64_t n = axis < 0 ? 1 : tensor.dim(axis);
    const std::int64_t inner = axis < 0 ? tensor.elements() : tensor.count(axis + 1, tensor.rank);
    const std::int64_t outer = axis < 0 ? 1 : tensor.count(0, axis);
    std::vector<Sums> sums(static_cast<std::size_t>(n));
    dispatch(tensor.dtype, [&]<class T>(T) {
        const T* next = tensor.as<const T>();
        for (std::int64_t o = 0; o < outer; ++o)
            for (Sums& one : sums)
                for (std::int64_t j = 0; j < inner; ++j) one.add(static_cast<double>(float(*next++)));
    });
    std::vector<Statistics> out;
    for (Sums& each : sums) out.push_back(each.finished());
    return out;
}

std::int64_t first_not_finite(const Tensor& blocks) {
    std::vector<float> memory;
    const Tensor tensor = without_blocks(blocks, memory);
    return dispatch(tensor.dtype, [&]<class T>(T) {
        for (std::int64_t i = 0; i < tensor.elements(); ++i)
            if (!std::isfinite(float(tensor.as<const T>()[i]))) return i;
        return std::int64_t{-1};
    });
}

std::string position_text(const Tensor& tensor, std::int64_t index) {
    std::string out;
    for (int axis = 0; axis < tensor.rank; ++axis) {
        const std::int64_t inner = tensor.count(axis + 1, tensor.rank);
        out += fmt::format("{}{}", axis == 0 ? "" : ", ", index / inner);
        index %= inner;
    }
    return fmt::format("[{}]", out);
}

}  // namespace vitro
