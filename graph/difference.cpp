#include "graph/difference.h"

#include "base/half.h"
#include "graph/elements.h"
#include "graph/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vitro {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool is_same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

/// Calls `take(index, a, b)` for every element.
void each(const Tensor& a, const Tensor& b, auto&& take) {
    dispatch(a.dtype, [&]<class A>(A) {
        dispatch(b.dtype, [&]<class B>(B) {
            for (std::int64_t i = 0; i < a.elements(); ++i)
                take(i, static_cast<double>(float(a.as<const A>()[i])), static_cast<double>(float(b.as<const B>()[i])));
        });
    });
}

}  // namespace

Difference difference(const Tensor& first, const Tensor& second) {
    VITRO_CHECK(first.elements() == second.elements());
    std::vector<float> memory_a, memory_b;
    const Tensor a = without_blocks(first, memory_a), b = without_blocks(second, memory_b);
    Difference out{.elements = a.elements()};
    double squares = 0, power = 0;
    std::int64_t finite = 0;
    each(a, b, [&](std::int64_t i, double x, double y) {
        const bool are_finite = std::isfinite(x) && std::isfinite(y);
        if (are_finite) {
            squares += (y - x) * (y - x);
            power += x * x;
            ++finite;
        }
        const double distance = is_same(x, y) ? 0 : are_finite ? std::abs(y - x) : kInfinity;
        if (distance > out.largest) {
            out.largest = distance;
            out.where = i;
            out.a = x;
            out.b = y;
        }
    });
    if (finite > 0) out.rms = std::sqrt(power / static_cast<double>(finite));
    out.nmse = squares == 0 ? 0 : power == 0 ? kInfinity : squares / power;
    if (std::isinf(out.largest)) {
        out.nmse = out.worst = kInfinity;
    } else if (out.largest > 0) {
        each(a, b, [&](std::int64_t, double x, double y) {
            if (!is_same(x, y)) out.worst = std::max(out.worst, std::abs(y - x) / (std::abs(x) + out.rms));
        });
    }
    return out;
}

double rounding(DType a, DType b) {
    const auto own = [](DType dtype) {
        return is_stored_float(dtype) || is_rounded(dtype) ? 2 * unit(dtype) + 3e-5 : 0;
    };
    return std::max(own(a), own(b));
}

bool parts(const Difference& found, DType a, DType b) {
    const double r = rounding(a, b);
    return found.nmse > r * r || found.worst > 16 * r;
}

}  // namespace vitro
