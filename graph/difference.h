// How far two tensors of one shape are apart, and how far rounding explains.
#pragma once

#include "base/tensor.h"

namespace vitro {

struct Difference {
    std::int64_t elements = 0;
    double nmse = 0;          // sum((b - a)²) / sum(a²); infinite where only a is 0, or where `largest` is
    double rms = 0;           // of a
    double largest = 0;       // |b - a|; infinite where one is no number, or another infinity
    std::int64_t where = -1;  // the element of it, in row-major order; -1 where there is no difference
    double a = 0, b = 0;      // there
    double worst = 0;         // the largest |b - a| / (|a| + rms)
};

/// Of tensors of any types, in host memory, with as many elements.
Difference difference(const Tensor& a, const Tensor& b);

/// Whether values of these types are further apart than both being rounded, and fp32 sums in another order, explains:
/// sqrt(nmse) above r = 2 units in the last place of the coarser type + 3e-5, or an element further off than
/// 16 r (|a| + rms). Whole numbers must be equal.
bool parts(const Difference& found, DType a, DType b);

/// The r of parts().
double rounding(DType a, DType b);

}  // namespace vitro
