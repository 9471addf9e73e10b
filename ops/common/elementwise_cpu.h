// CPU kernels of elementwise ops, from the function on a vector of fp32.
#pragma once

#include "backends/cpu/simd.h"
#include "ops/common/broadcast.h"
#include "ops/common/parallel.h"

namespace vitro::inline VITRO_ISA {

/// out[i] = f(x[i]) for elements stored as X and Out.
template <class X, class Out, simd::Floats (*f)(simd::Floats)>
void map_elements(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    parallel_ranges(call, x.elements(), 1, [&](std::int64_t begin, std::int64_t end) {
        const X* from = x.as<X>() + begin;
        Out* to = out.as<Out>() + begin;
        simd::each(end - begin,
                   [&](std::int64_t i, auto lanes) { simd::store(to + i, f(simd::load(from + i, lanes)), lanes); });
    });
}

/// out[i] = f(x[i]); x float, out of its dtype.
template <simd::Floats (*f)(simd::Floats)>
void elementwise_cpu(const Call& call) {
    dispatch_float(call.in(0).dtype, [&]<class T>(T) { map_elements<T, T, f>(call); });
}

/// out[…] = f(x[…], y[…]) with broadcasting; x, y floats, out of x's dtype.
template <simd::Floats (*f)(simd::Floats, simd::Floats)>
void broadcast_cpu(const Call& call) {
    const Tensor &x = call.in(0), &y = call.in(1), &out = call.out();
    const BroadcastWalk walk(x, y, out);
    dispatch_float(x.dtype, [&]<class X>(X) {
        dispatch_float(y.dtype, [&]<class Y>(Y) {
            const auto lanes_of = [](const auto* p, std::int64_t step, std::int64_t i, auto lanes) {
                return step == 0 ? simd::broadcast(float(*p)) : simd::load(p + i, lanes);
            };
            parallel_rows(call, walk.rows, walk.inner, [&](std::int64_t row) {
                const auto at = walk.row(row);
                X* o = out.as<X>() + row * walk.inner;
                simd::each(walk.inner, [&](std::int64_t i, auto lanes) {
                    simd::store(o + i,
                                f(lanes_of(x.as<X>() + at.x, walk.x_step, i, lanes),
                                  lanes_of(y.as<Y>() + at.y, walk.y_step, i, lanes)),
                                lanes);
                });
            });
        });
    });
}

}  // namespace vitro::inline VITRO_ISA
