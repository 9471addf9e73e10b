// What the norms over the last dimension ask of their inputs.
#pragma once

#include "ops/common/expect.h"

namespace vitro {

/// Error, naming the input, unless `found` is a float vector as long as a row of x.
inline void expect_row_of(const TensorType& x, std::string_view input, const TensorType& found) {
    expect_float(input, found, 1);
    if (found.dim(0) != x.dim(-1))
        fail("{}: expected size {}, found {}", input, to_string(x.dim(-1)), to_string(found.dim(0)));
}

}  // namespace vitro
