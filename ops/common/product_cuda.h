// A few rows times a weight matrix, normed before and finished at once: the products of a decode step, which take as
// long as the memory needs to read the weights.
//
// What is done with the sums is the epilogue's business, a kernel argument with
//     __device__ RowGroups rows(int unit) const;                  which rows of the weights block `unit` multiplies
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
    float eps;
    int tokens, n, k;
    bool fixed_weights;  // weight and norm, no kernel in front writes them: loaded before it has ended

    __device__ float scale_of(int row) const { return scale.data ? load<1>(scale, row).at[0] : 1.0f; }
};

inline constexpr int kSkinnyWarps = 8;    // of a block; they share the sum over k
inline constexpr int kSkinnyUnroll = 4;   // chunks of weights in flight, for each group of rows
inline constexpr int kSkinnyTokens = 16;  // at most

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

/// sums += a · bᵀ over 32 values of k of which this lane holds 8 in each row: the tensor core's order of k is another,
/// but the same for a and b.
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

/// Blocks on a multiprocessor that registers must last for.
template <class W, int kTokens, bool kNorm>
inline constexpr int kSkinnyBlocks = kTokens == 16 && kNorm && sizeof(W) == 1 ? 1 : 2;

/// Rows that x takes in shared memory for so many of its own: of 64 bytes an odd number, so that what 8 lanes write, of
/// two steps of k, meets no bank twice.
template <class W>
__host__ __device__ constexpr int staged_rows(int rows) {
    return sizeof(W) == 2 ? rows | 1 : rows;
}

/// The type in which tensor cores multiply activations X with weights W.
template <class X, class W>
using MultipliedIn = std::conditional_t<sizeof(W) == 1, __half, X>;

/// A block multiplies both groups of rows with up to kTokens tokens (8 or 16) by mma.m16n8k16: tokens are the rows of
/// a, rows of weights the columns of b, which lanes hold just as they load them, 16 bytes of a row. Warp w takes
/// k-blocks of four such chunks w, w + 8, …. The first weights are on their way before the kernel in front has ended; x
/// goes through shared memory, a ring of two rounds for each warp alone.
/// With a norm, x times its weight is split into two values, which for 8 tokens fill rows that would be idle; the
/// norm's scale is applied to the sums. So is x where the weights are f8e4m3, which become f16.
template <class X, class W, int kTokens, bool kNorm, class Epilogue>
__global__ void __launch_bounds__(kSkinnyWarps * 32, kSkinnyBlocks<W, kTokens, kNorm>)
    skinny_product_kernel(const Product p, const __grid_constant__ Epilogue epilogue) {
    using T = MultipliedIn<X, W>;
    constexpr bool kTwoHalves = kTokens == 16, kSplit = kNorm || !std::is_same_v<T, X>;
    constexpr bool kSplitStaged = kSplit && !kTwoHalves;  // in shared memory, once for all rows of weights
    constexpr int kPer = 2 / int(sizeof(W));              // chunks of x for a chunk of weights
    constexpr int kUnroll = kSkinnyUnroll;
    constexpr int kRound = kSkinnyWarps * kUnroll * 4;  // chunks of a row of weights that a round takes
    VITRO_SHARED(float, sums, kSkinnyWarps * 2 * kTokens * 8);
    VITRO_SHARED(float, squares, kSkinnyWarps* kTokens);
    const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32, group = lane / 4, part = lane % 4;
    const int chunks = p.k / (8 * kPer);  // of 16 bytes in a row of weights
    const int mine = warp * 4 + part;     // this lane's first chunk; the next ones are kSkinnyWarps * 4 apart

    const uint4* weights[2];  // of the lane's rows, at its next chunk
    {
        const RowGroups rows = epilogue.rows(int(blockIdx.x));
        for (int r = 0; r < 2; ++r)
            weights[r] = static_cast<const uint4*>(p.weight.data) +
                         std::int64_t(min(rows.first[r] + group, p.n - 1)) * chunks + mine;
    }
    uint4 held[kUnroll][2];
    int left = chunks - mine;  // chunks from the next one on
    // In the usual round all are there. To choose between a load and zeros for each would copy registers as soon as the
    // load is there, and so make all that follows wait for it.
    const auto fetch = [&] {
        const auto load = [&](int u) {
            for (int r = 0; r < 2; ++r) held[u][r] = load_once(weights[r] + u * kSkinnyWarps * 4);
        };
        if (left > (kUnroll - 1) * kSkinnyWarps * 4) {
#pragma unroll
            for (int u = 0; u < kUnroll; ++u) load(u);
        } else {
#pragma unroll
            for (int u = 0; u < kUnroll; ++u) {
                held[u][0] = held[u][1] = uint4{};
                if (u * kSkinnyWarps * 4 < left) load(u);
            }
        }
    };
    const auto next_round = [&] {
        left -= kRound;
        for (int r = 0; r < 2; ++r) weights[r] += kRound;
    };
    fetch();
    next_round();

    // [2 rounds][kUnroll][staged: tokens, then the norm's weight][4 * kPer chunks], this warp's. kCopiers lanes copy a
    // row.
    constexpr int kRow = 4 * kPer, kCopiers = kUnroll * kRow;
    const int staged = staged_rows<W>(p.tokens + (kNorm ? 1 : 0)),
              low_rows = kSplitStaged ? staged_rows<W>(p.tokens) : 0;
    const int x_chunks = chunks * kPer;
    uint4* const stage = dynamic_shared<uint4>() + warp * kUnroll * kRow * (2 * staged + low_rows);
    uint4* const low_stage = stage + 2 * kUnroll * kRow * staged;  // [kUnroll][low_rows][4 * kPer], of one round
    const int copied_u = lane % kCopiers / kRow, copied_part = lane % kRow;
    const int copied = (warp + copied_u * kSkinnyWarps) * kRow + copied_part;  // the first chunk that this lane copies
    uint4* const copy_to = stage + copied_u * staged * kRow + copied_part;
    const auto stage_row = [&](int round, const void* row, int to) {
        const int chunk = copied + round * kRound * kPer;
        cp_async<16>(copy_to + ((round & 1) * kUnroll * staged + to) * kRow, static_cast<const uint4*>(row) + chunk,
                     chunk < x_chunks);
    };
    const auto stage_norm = [&](int round) {
        if (kNorm && lane < kCopiers) stage_row(round, p.norm.data, p.tokens);
    };
    const auto stage_x = [&](int round) {
        for (int row = lane / kCopiers; row < p.tokens; row += 32 / kCopiers)
            stage_row(round, static_cast<const uint4*>(p.x.data) + std::int64_t(row) * x_chunks, row);
        cp_async_commit();
    };
    stage_norm(0);
    stage_norm(1);
    allow_next_kernel();
    wait_for_previous_kernel();
    stage_x(0);
    stage_x(1);

    const OutputRows output{epilogue.rows(int(blockIdx.x)), int(threadIdx.x) / 8, int(threadIdx.x) % 8};
    const bool finishes = output.token < p.tokens && output.i < max(output.rows.count[0], output.rows.count[1]);
    typename Epilogue::Loaded loaded{};
    constexpr bool kLoadEarly = !(kNorm && (kTwoHalves || sizeof(W) == 1));  // else registers do not last
    if (kLoadEarly && finishes) loaded = epilogue.load(output);

    // Splits the chunks of x that this lane has copied, in place and to low_stage.
    constexpr int kRowsAtOnce = 32 / kCopiers, kMostRows = kTokens / kRowsAtOnce;
    float squares_of[kSplitStaged ? kMostRows : 2] = {};  // of the rows that the lane copies, or of group and group + 8
    const auto split_staged = [&](uint4* from) {
        const int at = copied_u * staged * kRow + copied_part;
        uint4 by{};
        if constexpr (kNorm) by = from[at + p.tokens * kRow];
#pragma unroll(kNorm ? kMostRows : 2)  // squares_of is in registers, and the others last
        for (int i = 0; i < kMostRows; ++i) {
            const int row = lane / kCopiers + i * kRowsAtOnce;
            if (row >= p.tokens) break;
            const uint4 x = from[at + row * kRow];
            uint4 high, low;
            weigh<X, T, kNorm>(x, by, high, low, squares_of[i]);
            from[at + row * kRow] = high;
            low_stage[(copied_u * low_rows + row) * kRow + copied_part] = low;
            if constexpr (kNorm && kPer == 2) __syncwarp();  // registers do not last for all rows at once
        }
        __syncwarp();
    };

    float acc[2][4] = {};
    const int rounds = (chunks - warp * 4 + kRound - 1) / kRound;
    const int to_x = min(group, p.tokens - 1) * kRow + part * kPer,
              to_x_8 = min(group + 8, p.tokens - 1) * kRow + part * kPer;
    for (int round = 0; round < rounds; ++round) {
        cp_async_wait<1>();
        __syncwarp();
        uint4* from = stage + (round & 1) * kUnroll * staged * kRow;
        if constexpr (kSplitStaged) split_staged(from);
#pragma unroll
        for (int u = 0; u < kUnroll; ++u, from += staged * kRow) {
#pragma unroll
            for (int h = 0; h < kPer; ++h) {
                uint4 b[2];
                for (int r = 0; r < 2; ++r) b[r] = multiplied<W>(held[u][r], h);
                uint4 x = from[to_x + h], x_8{};
                if constexpr (kSplitStaged) x_8 = low_stage[u * low_rows * kRow + to_x + h];
                if constexpr (kTwoHalves) x_8 = from[to_x_8 + h];
                if constexpr (kTwoHalves && kSplit) {
                    uint4 by{}, low, low_8;
                    if constexpr (kNorm) by = from[p.tokens * kRow + part * kPer + h];
                    weigh<X, T, kNorm>(x, by, x, low, squares_of[0]);
                    __syncwarp();  // keeps the compiler from loading all of a round at once: registers do not last
                    weigh<X, T, kNorm>(x_8, by, x_8, low_8, squares_of[1]);
                    for (int r = 0; r < 2; ++r) multiply<T>(acc[r], low, low_8, b[r]);
                }
                for (int r = 0; r < 2; ++r) multiply<T>(acc[r], x, x_8, b[r]);
            }
        }
        fetch();
        next_round();
        __syncwarp();
        stage_norm(round + 2);
        stage_x(round + 2);
    }
    cp_async_wait<0>();

    for (int r = 0; r < 2; ++r) {
        float* to = sums + ((warp * 2 + r) * kTokens + group) * 8 + 2 * part;
        constexpr bool kAddLow = kSplit && !kTwoHalves;
        *reinterpret_cast<float2*>(to) =
            make_float2(acc[r][0] + (kAddLow ? acc[r][2] : 0.0f), acc[r][1] + (kAddLow ? acc[r][3] : 0.0f));
        if constexpr (kTwoHalves) *reinterpret_cast<float2*>(to + 64) = make_float2(acc[r][2], acc[r][3]);
    }
    if constexpr (kNorm && kTwoHalves) {
        for (int r = 0; r < 2; ++r) {
            for (int offset = 1; offset < 4; offset *= 2)
                squares_of[r] += __shfl_xor_sync(0xffffffffu, squares_of[r], offset);
            if (part == 0) squares[warp * kTokens + group + 8 * r] = squares_of[r];
        }
    } else if constexpr (kNorm) {
#pragma unroll
        for (int i = 0; i < kMostRows; ++i) {
            for (int offset = 1; offset < kCopiers; offset *= 2)
                squares_of[i] += __shfl_xor_sync(0xffffffffu, squares_of[i], offset);
            if (lane % kCopiers == 0) squares[warp * kTokens + lane / kCopiers + i * kRowsAtOnce] = squares_of[i];
        }
    }
    __syncthreads();
    if (!finishes) return;
    if (!kLoadEarly) loaded = epilogue.load(output);
    float first = 0.0f, second = 0.0f, all_squares = 0.0f;
    for (int w = 0; w < kSkinnyWarps; ++w) {
        first += sums[(w * 2 * kTokens + output.token) * 8 + output.i];
        second += sums[((w * 2 + 1) * kTokens + output.token) * 8 + output.i];
        if constexpr (kNorm) all_squares += squares[w * kTokens + output.token];
    }
    float scale = kSplit ? 1.0f / kHeadroom<T> : 1.0f;
    if constexpr (kNorm) scale *= rsqrtf(all_squares / float(p.k) + p.eps);
    if (p.scale.data) {
        first *= p.scale_of(min(output.rows.first[0] + output.i, p.n - 1));
        second *= p.scale_of(min(output.rows.first[1] + output.i, p.n - 1));
    }
    epilogue.finish(output, loaded, first * scale, second * scale);
}

inline constexpr int kPlainTokens = 4;

/// The same of any dtypes and sizes, without tensor cores: a warp takes row i of both groups, four tokens at a time.
template <class Epilogue>
__global__ void plain_product_kernel(const Product p, bool wide, const __grid_constant__ Epilogue epilogue) {
    const int lane = int(threadIdx.x) % 32, token = int(blockIdx.y) * kPlainTokens;
    const RowGroups rows = epilogue.rows(int(blockIdx.x));
    const int i = int(threadIdx.x) / 32;
    allow_next_kernel();
    wait_for_previous_kernel();
    if (i >= max(rows.count[0], rows.count[1])) return;
    std::int64_t from[2];
    for (int r = 0; r < 2; ++r) from[r] = std::int64_t(min(rows.first[r] + i, p.n - 1)) * p.k;

    float sums[kPlainTokens][2] = {}, squares[kPlainTokens] = {};
    const int tokens = min(kPlainTokens, p.tokens - token);
    const auto add = [&](int k, auto count) {
        const auto a = load<count.value>(p.weight, from[0] + k), b = load<count.value>(p.weight, from[1] + k);
        Floats<count.value> by;
        if (p.norm.data) by = load<count.value>(p.norm, k);
#pragma unroll
        for (int t = 0; t < kPlainTokens; ++t) {
            if (t >= tokens) break;
            auto x = load<count.value>(p.x, std::int64_t(token + t) * p.k + k);
            for (int e = 0; e < count.value; ++e) {
                if (p.norm.data) {
                    squares[t] += x.at[e] * x.at[e];
                    x.at[e] *= by.at[e];
                }
                sums[t][0] += x.at[e] * a.at[e];
                sums[t][1] += x.at[e] * b.at[e];
            }
        }
    };
    if (wide)
        for (int k = lane * kWide; k < p.k; k += 32 * kWide) add(k, Count<kWide>{});
    else
        for (int k = lane; k < p.k; k += 32) add(k, Count<1>{});

    const float scales[2] = {p.scale_of(min(rows.first[0] + i, p.n - 1)), p.scale_of(min(rows.first[1] + i, p.n - 1))};
    float first = 0.0f, second = 0.0f;  // of token `lane`
#pragma unroll
    for (int t = 0; t < kPlainTokens; ++t) {
        if (t >= tokens) break;
        float all[2] = {reduce_warp(sums[t][0], Sum{}) * scales[0], reduce_warp(sums[t][1], Sum{}) * scales[1]};
        if (p.norm.data) {
            const float scale = 1.0f / sqrtf(reduce_warp(squares[t], Sum{}) / float(p.k) + p.eps);
            all[0] *= scale;
            all[1] *= scale;
        }
        if (lane == t) {
            first = all[0];
            second = all[1];
        }
    }
    if (lane >= tokens) return;
    const OutputRows output{rows, token + lane, i};
    epilogue.finish(output, epilogue.load(output), first, second);
}

/// Whether all rows begin at multiples of 16 bytes.
inline bool is_aligned(const Product& p) {
    const auto aligned = [](const Elements& x) { return reinterpret_cast<std::uintptr_t>(x.data) % 16 == 0; };
    return p.k % (p.weight.dtype == DType::f8e4m3 ? 16 : kWide) == 0 && aligned(p.x) && aligned(p.weight) &&
           aligned(p.norm);
}

/// Whether skinny_product_kernel takes it.
inline bool is_skinny(const Product& p) {
    return p.tokens <= kSkinnyTokens && p.x.dtype != DType::f32 &&
           (p.weight.dtype == p.x.dtype || p.weight.dtype == DType::f8e4m3) &&
           (p.norm.data == nullptr || p.norm.dtype == p.x.dtype) && is_aligned(p);
}

/// False where the device has not the shared memory.
template <class X, class W, int kTokens, bool kNorm, class Epilogue>
bool launch_skinny(const char* name, const Product& p, int units, const Epilogue& epilogue, CudaBackend& backend) {
    constexpr bool kSplitStaged = kTokens == 8 && (kNorm || sizeof(W) == 1);
    const auto bytes = [](int tokens) {
        const std::size_t row = kSkinnyWarps * kSkinnyUnroll * 4 * (2 / sizeof(W)) * sizeof(uint4);
        return row *
               unsigned(2 * staged_rows<W>(tokens + (kNorm ? 1 : 0)) + (kSplitStaged ? staged_rows<W>(tokens) : 0));
    };
    const auto kernel = skinny_product_kernel<X, W, kTokens, kNorm, Epilogue>;
    if (!backend.allow_shared_bytes(kernel, bytes(kTokens))) return false;
    launch(kernel,
           {.name = name,
            .grid = unsigned(units),
            .block = kSkinnyWarps * 32,
            .shared_bytes = bytes(p.tokens),
            .stream = backend.stream(),
            .programmatic = p.fixed_weights},
           p, epilogue);
    return true;
}

/// Queues the product of at least one token with `units` blocks' rows.
template <class Epilogue>
void launch_product(const char* name, const Product& p, int units, const Epilogue& epilogue, CudaBackend& backend) {
    const auto with_types = [&]<class X, class W>(X, W) {
        const bool norm = p.norm.data != nullptr;
        if (p.tokens <= 8)
            return norm ? launch_skinny<X, W, 8, true>(name, p, units, epilogue, backend)
                        : launch_skinny<X, W, 8, false>(name, p, units, epilogue, backend);
        return norm ? launch_skinny<X, W, 16, true>(name, p, units, epilogue, backend)
                    : launch_skinny<X, W, 16, false>(name, p, units, epilogue, backend);
    };
    const auto with_type = [&]<class X>(X x) {
        return p.weight.dtype == p.x.dtype ? with_types(x, x) : with_types(x, __nv_fp8_e4m3{});
    };
    if (is_skinny(p) && (p.x.dtype == DType::bf16 ? with_type(__nv_bfloat16{}) : with_type(__half{}))) return;
    launch(plain_product_kernel<Epilogue>,
           {.name = name,
            .grid = {unsigned(units), blocks_for(p.tokens, kPlainTokens)},
            .block = 8 * 32,
            .stream = backend.stream(),
            .programmatic = true},
           p, is_aligned(p), epilogue);
}

}  // namespace vitro::VITRO_DEVICE
