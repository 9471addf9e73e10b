#include "ops/common/broadcast.h"

#include "ops/common/elementwise.h"
#include "ops/common/expect.h"

#include <algorithm>

namespace vitro {
namespace {

/// Element stride of `tensor` along output axis `axis` of `rank`; 0 where it is stretched.
std::int64_t stride(const Tensor& tensor, int axis, int rank) {
    const int own = axis - (rank - tensor.rank);
    return own < 0 || tensor.sizes[std::size_t(own)] == 1 ? 0 : tensor.count(own + 1, tensor.rank);
}

}  // namespace

std::vector<TensorType> infer_broadcast(std::span<const TensorType> inputs, const Attributes&) {
    const TensorType &x = inputs[0], &y = inputs[1];
    expect_float("x", x);
    expect_float("y", y);
    TensorType out{x.dtype, {}};
    const int rank = std::max(x.rank(), y.rank());
    for (int i = -rank; i < 0; ++i) {
        const Dim a = -i > x.rank() ? Dim(1) : x.dim(i);
        const Dim b = -i > y.rank() ? Dim(1) : y.dim(i);
        if (a != b && a != Dim(1) && b != Dim(1))
            fail("dimension {}: expected equal sizes or 1, found {} and {}", i, to_string(a), to_string(b));
        out.shape.push_back(a == Dim(1) ? b : a);
    }
    return {out};
}

std::vector<Example> broadcast_examples(Random& random) {
    const std::int64_t a = random.integer(1, 9), b = random.integer(1, 70);
    const auto f = [](Shape shape) { return TensorType{DType::f32, std::move(shape)}; };
    SymbolValues symbols;
    symbols['T'] = random.integer(1, 20);
    return {{{f({'T', b}), f({'T', b})}, {}, symbols},
            {{f({'T', b}), f({1})}, {}, symbols},
            {{f({3, 'T', b}), f({'T', b})}, {}, symbols},
            {{f({a, 'T', 1}), f({1, b})}, {}, symbols},
            {{f({b}), f({a, b})}, {}, symbols}};
}

Cost broadcast_cost(const Call& call) { return elementwise_cost(call, 1); }

BroadcastWalk::BroadcastWalk(const Tensor& x, const Tensor& y, const Tensor& out)
    : rows(out.rows()),
      inner(out.rank == 0 ? 1 : out.dim(-1)),
      x_step(stride(x, out.rank - 1, out.rank)),
      y_step(stride(y, out.rank - 1, out.rank)),
      outer_rank_(out.rank - 1) {
    for (int i = 0; i < outer_rank_; ++i) {
        sizes_[std::size_t(i)] = out.sizes[std::size_t(i)];
        x_strides_[std::size_t(i)] = stride(x, i, out.rank);
        y_strides_[std::size_t(i)] = stride(y, i, out.rank);
    }
}

BroadcastWalk::Offsets BroadcastWalk::row(std::int64_t row) const {
    Offsets offsets{0, 0};
    for (int i = outer_rank_ - 1; i >= 0; --i) {
        const std::int64_t at = row % sizes_[std::size_t(i)];
        row /= sizes_[std::size_t(i)];
        offsets.x += at * x_strides_[std::size_t(i)];
        offsets.y += at * y_strides_[std::size_t(i)];
    }
    return offsets;
}

}  // namespace vitro
