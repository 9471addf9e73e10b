// CUDA kernels of elementwise ops, from the function of one element: a struct with
// `__device__ float operator()(float x) const`, or of x and y.
#pragma once

#include "ops/common/broadcast.h"
#include "ops/common/elements_cuda.h"

namespace vitro::VITRO_DEVICE {

/// out[i] = f(x[i]) for i in [0, n); a thread for each kWide elements. out may be x.
template <class Function>
__global__ void map_kernel(Elements x, Elements out, std::int64_t n, Function f) {
    const std::int64_t i = (std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * kWide;
    if (i + kWide <= n) {
        Floats<kWide> values = load<kWide>(x, i);
        for (float& value : values.at) value = f(value);
        store(out, i, values);
    } else {
        for (std::int64_t k = i; k < n; ++k) store<1>(out, k, {f(load<1>(x, k).at[0])});
    }
}

template <class Function>
void map_cuda(const Call& call, const char* name, Function f) {
    const Tensor &x = call.in(0), &out = call.out();
    const std::int64_t n = x.elements();
    if (n == 0) return;
    VITRO_CHECK(takes_wide({&x, &out}, kWide), "{}: a tensor is not aligned", name);
    constexpr unsigned kThreads = 128;
    launch(map_kernel<Function>,
           {.name = name,
            .grid = blocks_for((n + kWide - 1) / kWide, kThreads),
            .block = kThreads,
            .stream = stream_of(call)},
           elements_of(x), elements_of(out), n, f);
}

/// How a broadcast walks: the dimensions of the output, those merged that both inputs go through alike; the last is the
/// innermost. Sizes are below 2^31, strides count elements, 0 stretches.
struct BroadcastDims {
    int rank = 0;
    int sizes[kMaxRank] = {};
    std::int64_t x[kMaxRank] = {}, y[kMaxRank] = {};
};
BroadcastDims broadcast_dims(const Tensor& x, const Tensor& y, const Tensor& out);

/// kCount elements along the innermost dimension.
template <int kCount>
__device__ __forceinline__ Floats<kCount> load_stretched(const Elements& x, std::int64_t i, std::int64_t stride) {
    if (stride != 0) return load<kCount>(x, i);
    const float value = load<1>(x, i).at[0];
    Floats<kCount> out;
    for (float& each : out.at) each = value;
    return out;
}

template <int kCount, class Function>
__device__ __forceinline__ void broadcast_group(const Elements& x, const Elements& y, const Elements& out,
                                                const BroadcastDims& dims, unsigned group, Function f) {
    const int last = dims.rank - 1;
    const auto groups_a_row = static_cast<unsigned>(dims.sizes[last] / kCount);
    unsigned row = group / groups_a_row;
    const std::int64_t inner = std::int64_t(group - row * groups_a_row) * kCount;
    std::int64_t x_at = inner * dims.x[last], y_at = inner * dims.y[last];
    for (int i = last - 1; i >= 0; --i) {
        const auto size = static_cast<unsigned>(dims.sizes[i]);
        const unsigned rest = row / size, index = row - rest * size;
        x_at += index * dims.x[i];
        y_at += index * dims.y[i];
        row = rest;
    }
    Floats<kCount> a = load_stretched<kCount>(x, x_at, dims.x[last]);
    const Floats<kCount> b = load_stretched<kCount>(y, y_at, dims.y[last]);
    for (int k = 0; k < kCount; ++k) a.at[k] = f(a.at[k], b.at[k]);
    store(out, std::int64_t(group) * kCount, a);
}

/// out[…] = f(x[…], y[…]); a thread for each of `groups` groups of kWide elements, or of 1. out may be x.
template <class Function>
__global__ void broadcast_kernel(Elements x, Elements y, Elements out, const BroadcastDims dims, unsigned groups,
                                 bool wide, Function f) {
    const unsigned group = blockIdx.x * blockDim.x + threadIdx.x;
    if (group >= groups) return;
    if (wide)
        broadcast_group<kWide>(x, y, out, dims, group, f);
    else
        broadcast_group<1>(x, y, out, dims, group, f);
}

template <class Function>
void broadcast_cuda(const Call& call, const char* name, Function f) {
    const Tensor &x = call.in(0), &y = call.in(1), &out = call.out();
    if (out.elements() == 0) return;
    const BroadcastDims dims = broadcast_dims(x, y, out);
    const bool wide = takes_wide({&x, &y, &out}, dims.sizes[dims.rank - 1]);
    const auto groups = unsigned(kernel_int(out.elements() / (wide ? kWide : 1)));
    constexpr unsigned kThreads = 128;
    launch(broadcast_kernel<Function>,
           {.name = name, .grid = blocks_for(groups, kThreads), .block = kThreads, .stream = stream_of(call)},
           elements_of(x), elements_of(y), elements_of(out), dims, groups, wide, f);
}

}  // namespace vitro::VITRO_DEVICE
