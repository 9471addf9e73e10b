// The k largest of each row, and where they stand
#pragma once

#include "graph/builder.h"

namespace vitro {

struct TopK {
    std::int64_t k = 1;
    bool operator==(const TopK&) const = default;
    static void fields(auto& self, auto&& field) { field("k", self.k, at_least(1)); }
};

extern const OpDef kTopK;

struct TopKValues {
    Value values;   // x's type, the last dimension k
    Value indices;  // i32, the same shape
};

/// values[…, j] = the j-th largest of x[…, :], indices[…, j] = where it stands in the row; of equal ones the first goes
/// first, and NaN is larger than all else. x: floats of at least two dimensions, the last of at least k elements.
TopKValues top_k(At at, Value x, TopK attributes);

/// Of one row: an element, by what it is compared with.
struct TopKElement {
    float value;
    std::int64_t index;
};
/// Whether `a` stands in front of `b`.
inline bool is_larger(const TopKElement& a, const TopKElement& b) {
    const bool a_is_nan = a.value != a.value, b_is_nan = b.value != b.value;
    if (a_is_nan != b_is_nan) return a_is_nan;
    if (!a_is_nan && a.value != b.value) return a.value > b.value;
    return a.index < b.index;
}

}  // namespace vitro
