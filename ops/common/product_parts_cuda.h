// What the kernels of products of few tokens with a weight matrix share: the operands, and how tensor cores multiply
// them.
//
// What is done with the sums is the epilogue's business, a kernel argument with
//     __device__ RowGroups rows(int unit) const;                  which rows of the weights unit `unit` is
//     struct Loaded;
//     __device__ Loaded load(const OutputRows&) const;             what it reads beside the sums, early
//     __device__ void finish(const OutputRows&, const Loaded&, float first, float second) const;
#pragma once

#include "backends/cuda/pairs.h"
#include "backends/cuda/ptx.h"
#include "backends/cuda/reduce.h"
#include "ops/common/elements_cuda.h"

namespace vitro::VITRO_DEVICE {

/// Whether all of these inputs are; negative ones are not there.
inline bool is_fixed(const Call& call, std::initializer_list<std::size_t> inputs) {
    return std::all_of(inputs.begin(), inputs.end(),
                       [&](std::size_t input) { return !call.has(input) || call.is_fixed(input); });
}

/// Two groups of up to 8 consecutive rows. An epilogue gets the sums of row i of both together, so that a gate meets
/// its up and the two elements that rope turns meet each other.
struct RowGroups {
    int first[2];
    int count[2];
};

/// Row i of each group, for one token.
struct OutputRows {
    RowGroups rows;
    int token, i;
};

/// z = (norm ? rms_norm(x, norm) : x) · weightᵀ (* scale).
struct Product {
    Elements x;       // [tokens, k]
    Elements weight;  // [n, k]
    Elements scale;   // [n], of the weight's rows; data null: none
    Elements norm;    // [k]; data null: none
    bool has_norm;    // also where data are null, since only sizes are known
    float eps;
    int tokens, n, k;
    bool fixed_weights;  // weight and norm, no kernel in front writes them: loaded before it has ended

    __device__ float scale_of(int row) const { return scale.data ? load<1>(scale, row).at[0] : 1.0f; }
};

/// Whether all rows begin at multiples of 16 bytes.
inline bool is_aligned(const Product& p) {
    const auto aligned = [](const Elements& x) { return reinterpret_cast<std::uintptr_t>(x.data) % 16 == 0; };
    return p.k % (p.weight.dtype == DType::f8e4m3 ? 16 : kWide) == 0 && aligned(p.x) && aligned(p.weight) &&
           aligned(p.norm);
}

/// Whether tensor cores take it, from rows that are loaded 16 bytes at a time.
inline bool takes_tensor_cores(const Product& p) {
    return p.x.dtype != DType::f32 && (p.weight.dtype == p.x.dtype || p.weight.dtype == DType::f8e4m3) &&
           (!p.has_norm || p.norm.dtype == p.x.dtype) && is_aligned(p);
}

/// f16 gets headroom where x is weighed or of another type, since the norm's scale comes only after the sum.
template <class T>
inline constexpr float kHeadroom = kIsBf16<T> ? 1.0f : 0x1p-4f;

/// 8 values of x, times the norm's weights where there is a norm, as the sum of two values of T; adds to the squares of
/// x.
template <class X, class T, bool kNorm>
__device__ __forceinline__ void weigh(const uint4& x, const uint4& by, uint4& high, uint4& low, float& squares) {
    const auto two = [&](unsigned from, unsigned weights) {
        float2 value = unpack<X>(from);
        if constexpr (kNorm) {
            const float2 weight = unpack<X>(weights);
            squares += value.x * value.x + value.y * value.y;
            value = make_float2(value.x * weight.x, value.y * weight.y);
        }
        return split<T>(value.x * kHeadroom<T>, value.y * kHeadroom<T>);
    };
    const SplitPair a = two(x.x, by.x), b = two(x.y, by.y), c = two(x.z, by.z), d = two(x.w, by.w);
    high = make_uint4(a.high, b.high, c.high, d.high);
    low = make_uint4(a.low, b.low, c.low, d.low);
}

/// sums += a · bᵀ over 32 values of k of which this lane holds 8 in each row, two rows of a and one of b: the tensor
/// core's order of k is another, but the same for a and b.
template <class T>
__device__ __forceinline__ void multiply(float (&sums)[4], const uint4& a_row, const uint4& a_row_8, const uint4& b) {
    const unsigned a_first[4] = {a_row.x, a_row_8.x, a_row.y, a_row_8.y}, b_first[2] = {b.x, b.y};
    mma_m16n8k16<T>(sums, a_first, b_first);
    const unsigned a_second[4] = {a_row.z, a_row_8.z, a_row.w, a_row_8.w}, b_second[2] = {b.z, b.w};
    mma_m16n8k16<T>(sums, a_second, b_second);
}

/// Half h of a chunk of f8e4m3 weights as f16, or the chunk of 16-bit weights that it is.
template <class W>
__device__ __forceinline__ uint4 multiplied(const uint4& chunk, int h) {
    if constexpr (sizeof(W) == 2) {
        return chunk;
    } else {
        const unsigned low = h == 0 ? chunk.x : chunk.z, high = h == 0 ? chunk.y : chunk.w;
        return make_uint4(f16_of_f8e4m3(low & 0xffffu), f16_of_f8e4m3(low >> 16), f16_of_f8e4m3(high & 0xffffu),
                          f16_of_f8e4m3(high >> 16));
    }
}

/// The type in which tensor cores multiply activations X with weights W.
template <class X, class W>
using MultipliedIn = std::conditional_t<sizeof(W) == 1, __half, X>;

}  // namespace vitro::VITRO_DEVICE
