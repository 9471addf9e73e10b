#include "graph/statistics.h"

#include "graph/elements.h"

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

std::vector<Statistics> statistics(const Tensor& tensor, int axis) {
    const std::int64_t n = axis < 0 ? 1 : tensor.dim(axis);
    const std::int64_t inner = axis < 0 ? tensor.elements() : tensor.count(axis + 1, tensor.rank);
    const std::int64_t outer = axis < 0 ? 1 : tensor.count(0, axis);
    std::vector<Sums> sums(static_cast<std::size_t>(n));
    const auto* data = static_cast<const std::byte*>(tensor.data);
    std::int64_t at = 0;
    for (std::int64_t o = 0; o < outer; ++o)
        for (std::int64_t i = 0; i < n; ++i)
            for (std::int64_t j = 0; j < inner; ++j, ++at)
                sums[static_cast<std::size_t>(i)].add(element(tensor.dtype, data, at));
    std::vector<Statistics> out;
    for (Sums& each : sums) out.push_back(each.finished());
    return out;
}

}  // namespace vitro
