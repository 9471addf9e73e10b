// What the attention kernels share: their arguments, and tiles of the paged cache in shared memory.
#pragma once

#include "backends/cuda/pairs.h"
#include "backends/cuda/ptx.h"
#include "ops/attention_mask/visibility.h"
#include "ops/common/pages_cuda.h"

#include <numeric>

namespace vitro::VITRO_DEVICE {

/// Below every score but -inf: what the largest score of keys that are seen is at least, so that where none of them is
/// a number the weights are NaN, and nobody takes that for keys that are not seen.
inline constexpr float kLeastScore = -3.40282347e38f;

/// A kernel's argument.
struct AttentionTensors {
    Elements q;                                 // [tokens, heads, d]
    Elements k_cache, v_cache;                  // [P, page, kv_heads, d]
    Elements out;                               // [tokens, heads * d]
    const std::int32_t *positions, *sequences;  // [tokens]
    const std::int32_t* lengths;                // [S]
    DevicePages pages;
    int tokens, heads, kv_heads, d;
    Visibility visibility;
    float log2_scale;  // of the scores, which exponents of 2 follow
    // Products of q and k are held within ±cap, as softcap says of the scaled ones; 0: they are not. by_cap is 2
    // log2(e) / cap.
    float cap, by_cap;

    /// cap · tanh(product / cap), off by some 1e-7 of the cap, of small products by as much of themselves.
    __device__ __forceinline__ float held(float product) const {
        const float ratio = product * by_cap * 0.34657359f;  // to the cap: by_cap times half of log(2)
        if (fabsf(ratio) < 0x1p-6f) return product * (1.0f - ratio * ratio * (1.0f / 3.0f));
        return cap * (1.0f - __fdividef(2.0f, 1.0f + fast_exp2(product * by_cap)));
    }

    /// Whether positions, sequences, lengths and pages may be read before the kernel in front has ended, and the rows
    /// of the caches that no token of this step has: it writes at most those of the step's tokens (Call::fixed_inputs).
    bool reads_early;

    /// The first position that a token of the step has in this sequence: what the caches hold before it is old. All
    /// lanes of a warp call together.
    __device__ int first_new(int sequence) const {
        int first = 0x7fffffff;
        for (int i = int(threadIdx.x) % 32; i < tokens; i += 32)
            if (sequences[i] == sequence) first = min(first, positions[i]);
        return __reduce_min_sync(0xffffffffu, first);
    }

    /// The positions [x, y) that a token sees; y <= x: none.
    __device__ int2 visible(int token) const {
        const Range seen = visibility.range(positions[token], lengths[sequences[token]]);
        return make_int2(int(seen.begin), int(seen.end));
    }
};

/// How rows of a cache of C (T, or f8e4m3) lie in shared memory, a tile of keys of kD elements, in chunks of 16 bytes.
/// Rows are an odd number of chunks apart: then ldmatrix meets no bank twice.
template <class C, int kD>
struct TileRow {
    static constexpr int kPerChunk = 16 / int(sizeof(C));
    static constexpr int kChunks = kD / kPerChunk;
    static constexpr int kStride = (kChunks | 1) * kPerChunk;  // in elements

    int key, chunk;

    /// What thread `at` copies: 8 threads write to other banks, and read at least whole sectors.
    __device__ explicit TileRow(int at) {
        constexpr int kSpan = std::gcd(kChunks, 8), kSpans = kChunks / kSpan;
        if constexpr (kSpan == 1) {  // sectors go first
            key = at / kChunks;
            chunk = at % kChunks;
        } else {  // kSpan chunks of each of 8 / kSpan rows
            const int eight = at / 8, lane = at % 8;
            key = eight / kChunks * 8 + eight % kChunks / kSpans + lane / kSpan * kSpan;
            chunk = eight % kSpans * kSpan + lane % kSpan;
        }
    }

    /// Copies the chunk of both caches' row `row`, which is among them, to two tiles; zeros unless `keep`.
    __device__ __forceinline__ void copy(const AttentionTensors& a, int kv_head, std::int64_t row, bool keep, C* k_tile,
                                         C* v_tile) const {
        const std::int64_t from = (row * a.kv_heads + kv_head) * kD + chunk * kPerChunk;
        const int to = key * kStride + chunk * kPerChunk;
        cp_async<16>(k_tile + to, static_cast<const C*>(a.k_cache.data) + from, keep);
        cp_async<16>(v_tile + to, static_cast<const C*>(a.v_cache.data) + from, keep);
    }
};

/// Of each 16 elements of a head a lane has two pairs, in the order of the tensor core's registers, or, with a cache of
/// f8e4m3, in the order in which bytes come: element (lane % 4) * 4 and the next three.
template <class C>
__device__ __forceinline__ int first_of_pair(int sixteen, int pair) {
    const int part = int(threadIdx.x) % 4;
    return 16 * sixteen + (sizeof(C) == 2 ? 8 * pair + 2 * part : 4 * part + 2 * pair);
}
/// That pair of the sums of row lane / 4 + 8 r.
template <class C, int kN>
__device__ __forceinline__ float2 sums_of_pair(const float (&sums)[kN][4], int sixteen, int pair, int r) {
    if constexpr (sizeof(C) == 2)
        return make_float2(sums[2 * sixteen + pair][2 * r], sums[2 * sixteen + pair][2 * r + 1]);
    else
        return make_float2(sums[2 * sixteen][2 * r + pair], sums[2 * sixteen + 1][2 * r + pair]);
}

/// scores [kM tiles of 16 rows, kTiles tiles of 16 keys] += q · kᵀ. k: rows of a tile; q(i, m, a) gives a of mma for
/// the i-th 16 elements of the m-th 16 rows, in pairs as first_of_pair() has them. What is loaded of 16 keys feeds all
/// rows.
template <class T, class C, int kD, int kTiles, int kM, class Q>
__device__ __forceinline__ void score_keys(float (&scores)[kTiles][kM][2][4], const Q& q, const C* k) {
    constexpr int kStride = TileRow<C, kD>::kStride;
    const int lane = int(threadIdx.x) % 32;
#pragma unroll
    for (int i = 0; i < kD / 16; ++i) {
        std::uint32_t a[kM][4];
#pragma unroll
        for (int m = 0; m < kM; ++m) q(i, m, a[m]);
#pragma unroll
        for (int tile = 0; tile < kTiles; ++tile) {
            const C* const rows = k + 16 * tile * kStride;
            std::uint32_t keys[2][2];
            if constexpr (sizeof(C) == 2) {
                std::uint32_t loaded[4];
                ldmatrix(loaded, rows + (lane / 16 * 8 + lane % 8) * kStride + lane / 8 % 2 * 8 + 16 * i);
                for (int j = 0; j < 4; ++j) keys[j / 2][j % 2] = loaded[j];
            } else {
                std::uint32_t loaded[2];  // four elements each
                ldmatrix(loaded, rows + lane % 16 * kStride + 16 * i);
                for (int j = 0; j < 4; ++j) keys[j / 2][j % 2] = of_f8e4m3<T>(loaded[j / 2] >> (j % 2 * 16));
            }
#pragma unroll
            for (int m = 0; m < kM; ++m)
                for (int n = 0; n < 2; ++n) mma_m16n8k16<T>(scores[tile][m][n], a[m], keys[n]);
        }
    }
}

/// sums [kM tiles of 16 rows, kD] += weights [kM tiles of 16 rows, 16 keys] · v.
template <class T, class C, int kD, int kM>
__device__ __forceinline__ void add_values(float (&sums)[kM][kD / 8][4], const std::uint32_t (&weights)[kM][4],
                                           const C* v) {
    constexpr int kStride = TileRow<C, kD>::kStride;
    const int lane = int(threadIdx.x) % 32;
#pragma unroll
    for (int i = 0; i < kD / 16; ++i) {
        std::uint32_t values[2][2];
        if constexpr (sizeof(C) == 2) {
            std::uint32_t loaded[4];
            ldmatrix_transposed(loaded, v + lane % 16 * kStride + lane / 16 * 8 + 16 * i);
            for (int j = 0; j < 4; ++j) values[j / 2][j % 2] = loaded[j];
        } else {
            std::uint32_t loaded[2];  // elements 2 (lane / 4) and the next one of two keys
            ldmatrix_transposed(loaded, v + lane % 16 * kStride + 16 * i);
            for (int j = 0; j < 4; ++j)
                values[j / 2][j % 2] = of_f8e4m3<T>(__byte_perm(loaded[j % 2], 0, j / 2 != 0 ? 0x31 : 0x20));
        }
#pragma unroll
        for (int m = 0; m < kM; ++m)
            for (int n = 0; n < 2; ++n) mma_m16n8k16<T>(sums[m][2 * i + n], weights[m], values[n]);
    }
}

/// body(std::integral_constant) for head sizes that the tensor core kernels are compiled for; false for others.
template <class Body>
bool with_head_size(int d, Body&& body) {
    switch (d) {
        case 64:
            return body(std::integral_constant<int, 64>{});
        case 80:
            return body(std::integral_constant<int, 80>{});
        case 96:
            return body(std::integral_constant<int, 96>{});
        case 128:
            return body(std::integral_constant<int, 128>{});
        case 256:
            return body(std::integral_constant<int, 256>{});
        default:
            return false;
    }
}

/// body.operator()<T, C, kD>() with the types of q and of the caches, and the size of a head; false for another size.
template <class Body>
bool with_attention_types(const AttentionTensors& a, Body&& body) {
    return with_head_size(a.d, [&](auto d) {
        const auto with_type = [&]<class T>(T) {
            return a.k_cache.dtype == DType::f8e4m3 ? body.template operator()<T, __nv_fp8_e4m3, d.value>()
                                                    : body.template operator()<T, T, d.value>();
        };
        return a.q.dtype == DType::bf16 ? with_type(__nv_bfloat16{}) : with_type(__half{});
    });
}

}  // namespace vitro::VITRO_DEVICE
