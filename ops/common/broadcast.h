// Elementwise ops of two inputs under numpy's broadcasting: sizes align at the innermost dimension, 1 stretches.
#pragma once

#include "base/half.h"
#include "graph/op_def.h"

namespace vitro {

/// x's dtype, the broadcast of both shapes. Error when a pair of sizes differs and neither is 1.
std::vector<TensorType> infer_broadcast(std::span<const TensorType> inputs, const Attributes& attributes);

/// Pairs of shapes that broadcast in every way: equal, scalar, row, column, ranks apart.
std::vector<Example> broadcast_examples(Random& random);

/// One operation for each element.
Cost broadcast_cost(const Call& call);

/// For each element of the output: its index within x and y. A walk over the outer dimensions; the innermost is left to
/// the kernel, with step 0 or 1 for each input.
struct BroadcastWalk {
    BroadcastWalk(const Tensor& x, const Tensor& y, const Tensor& out);

    std::int64_t rows;    // of the output: all its dimensions but the innermost
    std::int64_t inner;   // size of the innermost dimension
    std::int64_t x_step;  // 0 or 1, along the innermost dimension
    std::int64_t y_step;
    /// Offsets of the first element of output row `row` (all dimensions but the innermost, flattened).
    struct Offsets {
        std::int64_t x, y;
    };
    Offsets row(std::int64_t row) const;

private:
    int outer_rank_ = 0;
    std::array<std::int64_t, kMaxRank> sizes_{}, x_strides_{}, y_strides_{};
};

/// out[…] = f(x[…], y[…]) in double precision.
template <class Function>
void broadcast_reference(const Call& call, Function&& f) {
    const Tensor &x = call.in(0), &y = call.in(1), &out = call.out();
    const BroadcastWalk walk(x, y, out);
    dispatch_float(x.dtype, [&]<class X>(X) {
        dispatch_float(y.dtype, [&]<class Y>(Y) {
            for (std::int64_t r = 0; r < walk.rows; ++r) {
                const auto at = walk.row(r);
                for (std::int64_t i = 0; i < walk.inner; ++i) {
                    const auto a = static_cast<double>(float(x.as<X>()[at.x + i * walk.x_step]));
                    const auto b = static_cast<double>(float(y.as<Y>()[at.y + i * walk.y_step]));
                    out.as<X>()[r * walk.inner + i] = X(static_cast<float>(f(a, b)));
                }
            }
        });
    });
}

}  // namespace vitro
