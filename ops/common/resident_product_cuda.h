// Products of up to 16 tokens whose x a multiprocessor holds whole: a block stays, and takes one unit of rows after the
// other.
#pragma once

#include "ops/common/product_parts_cuda.h"

namespace vitro::VITRO_DEVICE {

inline constexpr int kResidentWarps = 16;   // of a block; they share the sum over k. A block a multiprocessor
inline constexpr int kResidentUnroll = 4;   // chunks of weights in flight, for each group of rows
inline constexpr int kResidentTokens = 16;  // at most
inline constexpr int kSumRow = 20;          // floats from a token's sums to the next one's, so that none meets a bank

/// What lies in dynamic shared memory. Of x a warp has what it multiplies, `steps` times four chunks of weights, in
/// planes of [tokens][4] chunks of 16 bytes.
template <class X, class W, int kTiles, bool kNorm>
struct ResidentMemory {
    static constexpr bool kSplit = kNorm || !std::is_same_v<MultipliedIn<X, W>, X>;
    static constexpr int kPer = 2 / int(sizeof(W));  // chunks of x for a chunk of weights
    static constexpr int kTokens = 8 * kTiles;
    std::int64_t tokens, steps;  // the latter of the warp that has most

    __host__ __device__ explicit ResidentMemory(const Product& p)
        : tokens(p.tokens), steps((p.k / (8 * kPer) + kResidentWarps * 4 - 1) / (kResidentWarps * 4)) {}

    // In chunks, of a warp: halves [high, then low][kPer][steps][tokens][4], and the norm's weight [kPer][steps][4].
    __host__ __device__ std::int64_t half() const { return kPer * steps * tokens * 4; }
    __host__ __device__ std::int64_t norm_at() const { return half() * (kSplit ? 2 : 1); }
    __host__ __device__ std::int64_t of_warp() const { return norm_at() + (kNorm ? kPer * steps * 4 : 0); }

    // Behind those of all warps: sums [kResidentWarps][kTokens][kSumRow], squares [kResidentWarps][kTokens], and the
    // number of a unit.
    static constexpr int kSums = kResidentWarps * kTokens * kSumRow, kSquares = kResidentWarps * kTokens;
    __host__ __device__ std::size_t sums_at() const { return std::size_t(kResidentWarps * of_warp()) * sizeof(uint4); }
    std::size_t bytes() const { return sums_at() + (kSums + kSquares + 1) * sizeof(float); }
};

/// A block multiplies units of two groups of rows with up to 8 kTiles tokens by mma.m16n8k16: a unit's rows are those
/// of a, which lanes hold just as they load them, 16 bytes of a row, tokens the columns of b. Warp w takes steps of
/// four such chunks w, w + 16, … of every unit. The first weights are on their way before the kernel in front has
/// ended, and from then on a chunk is asked for as soon as there is room for it, past the end of the unit: those of the
/// next one arrive while this one is finished. Which unit is the next one `counter` says, after two that are known: a
/// multiprocessor that gets its weights sooner takes more of them.
/// With a norm, x times its weight is split into two values, once for all units; the norm's scale is applied to the
/// sums. So is x where the weights are f8e4m3, which become f16. A token's sums do not depend on the others'.
template <class X, class W, int kTiles, bool kNorm, class Epilogue>
__global__ void __launch_bounds__(kResidentWarps * 32, 1)
    resident_product_kernel(const Product p, int units, unsigned* counter, bool prefetch,
                            const __grid_constant__ Epilogue epilogue) {
    using T = MultipliedIn<X, W>;
    using Memory = ResidentMemory<X, W, kTiles, kNorm>;
    constexpr bool kSplit = Memory::kSplit;
    constexpr int kPer = Memory::kPer, kTokens = Memory::kTokens, kUnroll = kResidentUnroll;
    constexpr int kStep = kResidentWarps * 4;  // chunks from a step of a warp to its next one
    const Memory memory(p);
    auto* const sums = dynamic_shared<float>(memory.sums_at());
    float* const squares = sums + Memory::kSums;
    int* const following = reinterpret_cast<int*>(squares + Memory::kSquares);
    const int thread = int(threadIdx.x), warp = thread / 32, lane = thread % 32, group = lane / 4, part = lane % 4;
    const int chunks = p.k / (8 * kPer), mine = warp * 4 + part;  // of a row of weights; this lane's first one
    const int steps = max(0, (chunks - warp * 4 + kStep - 1) / kStep);

    // Of the lane's rows, of a unit and of the next one.
    const uint4 *rows[2], *next_rows[2];
    const auto rows_of = [&](int unit, const uint4*(&to)[2]) {
        const RowGroups groups = epilogue.rows(unit);
        for (int r = 0; r < 2; ++r)
            to[r] =
                static_cast<const uint4*>(p.weight.data) + std::int64_t(min(groups.first[r] + group, p.n - 1)) * chunks;
    };
    uint4 held[kUnroll][2];
    const auto fetch = [&](uint4(&to)[2], const uint4* const(&from)[2], int step) {
        const int at = min(mine + step * kStep, chunks - 1);  // behind the last chunk x is zero
        for (int r = 0; r < 2; ++r) to[r] = load_once(from[r] + at);
    };
    int unit = int(blockIdx.x), next = unit + int(gridDim.x);
    const bool counts = units > 2 * int(gridDim.x);
    rows_of(unit, rows);
#pragma unroll
    for (int u = 0; u < kUnroll; ++u)
        if (u < steps) fetch(held[u], rows, u);

    uint4* const x_of_warp = dynamic_shared<uint4>() + warp * memory.of_warp();
    uint4* const norm_of_warp = x_of_warp + memory.norm_at();
    if constexpr (kNorm)
        for (int step = group; step < steps; step += 8)
            for (int h = 0; h < kPer; ++h) {
                const int chunk = mine + step * kStep;
                cp_async<16>(norm_of_warp + (h * memory.steps + step) * 4 + part,
                             static_cast<const uint4*>(p.norm.data) + chunk * kPer + h, chunk < chunks);
            }
    if constexpr (kTiles > 1)  // x takes longer to be prepared than those weights take to arrive
        if (prefetch && next < units) {
            const RowGroups groups = epilogue.rows(next);
            const int row = min((warp < 8 ? groups.first[0] : groups.first[1]) + warp % 8, p.n - 1);
            if (lane * 8 < chunks)
                prefetch_l2(static_cast<const uint4*>(p.weight.data) + std::int64_t(row) * chunks + lane * 8);
        }
    allow_next_kernel();
    wait_for_previous_kernel();

    // Lanes take each step of a token, as many at a time as there are lanes for.
    const int log = p.tokens > 4 ? 3 : p.tokens > 2 ? 2 : p.tokens - 1;  // of the tokens at a time
    const int slot = group & ((1 << log) - 1), first_step = group >> log, step_stride = 8 >> log;
    const auto each_of_mine = [&](auto&& body) {
#pragma unroll
        for (int tile = 0; tile < kTiles; ++tile) {
            const int token = 8 * tile + slot;
            if (token >= p.tokens) break;
#pragma unroll 1
            for (int step = first_step; step < steps; step += step_stride)
                for (int h = 0; h < kPer; ++h) body(tile, token, step, h);
        }
    };
    const auto at = [&](int token, int step, int h) {
        return ((h * int(memory.steps) + step) * p.tokens + token) * 4 + part;
    };
    each_of_mine([&](int, int token, int step, int h) {
        const int chunk = mine + step * kStep;
        cp_async<16>(x_of_warp + at(token, step, h),
                     static_cast<const uint4*>(p.x.data) + (std::int64_t(token) * chunks + chunk) * kPer + h,
                     chunk < chunks);
    });
    cp_async_commit();
    cp_async_wait<0>();
    __syncwarp();
    if constexpr (kSplit) {
        float squares_of[kTiles] = {};
        each_of_mine([&](int tile, int token, int step, int h) {
            uint4 by{};
            if constexpr (kNorm) by = norm_of_warp[(h * memory.steps + step) * 4 + part];
            uint4* const to = x_of_warp + at(token, step, h);
            const uint4 x = *to;
            uint4 high, low;
            weigh<X, T, kNorm>(x, by, high, low, squares_of[tile]);
            *to = high;
            to[memory.half()] = low;
        });
        __syncwarp();
        if constexpr (kNorm)
            for (int tile = 0; tile < kTiles; ++tile) {
                float sum = squares_of[tile];
                for (int offset = 1; offset < 4; offset *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, offset);
                for (int offset = 4 << log; offset < 32; offset *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, offset);
                if (part == 0 && first_step == 0) squares[warp * kTokens + 8 * tile + slot] = sum;
            }
    }

    // Eight threads in a row finish a token. Those of a warp have every other token: so they meet no bank twice.
    const int eighth = thread / 8, token = eighth / 8 * 8 + eighth % 4 * 2 + eighth / 4 % 2, i = thread % 8;
    const uint4* const my_x = x_of_warp + part;
    float norm_scale = kSplit ? 1.0f / kHeadroom<T> : 1.0f;
    for (bool is_first = true;; is_first = false) {
        rows_of(min(next, units - 1), next_rows);
        unsigned taken = 0;
        if (counts && thread == 0) taken = atomicAdd(counter, 1u);
        const OutputRows output{epilogue.rows(unit), token, i};
        const bool finishes = token < p.tokens && i < max(output.rows.count[0], output.rows.count[1]);
        typename Epilogue::Loaded loaded{};
        if (finishes) loaded = epilogue.load(output);

        float acc[kTiles][4] = {};
        for (int first = 0; first < steps; first += kUnroll) {
#pragma unroll
            for (int u = 0; u < kUnroll; ++u) {
                const int step = first + u;
                if (step >= steps) break;
#pragma unroll
                for (int h = 0; h < kPer; ++h) {
                    const uint4 w = multiplied<W>(held[u][0], h), w_8 = multiplied<W>(held[u][1], h);
                    const uint4* const plane = my_x + (h * int(memory.steps) + step) * p.tokens * 4;
#pragma unroll
                    for (int tile = 0; tile < kTiles; ++tile) {
                        const uint4* const at_token = plane + min(8 * tile + group, p.tokens - 1) * 4;
                        if constexpr (kSplit) {
                            const uint4 low = at_token[memory.half()];
                            multiply<T>(acc[tile], w, w_8, low);
                        }
                        const uint4 x = *at_token;
                        multiply<T>(acc[tile], w, w_8, x);
                    }
                }
                const bool is_same = step + kUnroll < steps;
                if (!is_same && next >= units) continue;
                const uint4* const later[2] = {is_same ? rows[0] : next_rows[0], is_same ? rows[1] : next_rows[1]};
                fetch(held[u], later, is_same ? step + kUnroll : u);
            }
        }

        if (!is_first) __syncthreads();  // the last unit's sums have been read
        for (int tile = 0; tile < kTiles; ++tile)
            for (int each = 0; each < 4; ++each)
                sums[(warp * kTokens + 8 * tile + 2 * part + each % 2) * kSumRow + group + each / 2 * 8] =
                    acc[tile][each];
        if (thread == 0) {
            *following = counts ? int(taken) + 2 * int(gridDim.x) : units;
            if (counts && int(taken) == units - 1) *counter = 0;  // one for each unit: it is the last one
        }
        __syncthreads();
        const int after = *following;
        if (kNorm && is_first && token < p.tokens) {  // also where a thread finishes nothing of the first unit
            float all_squares = 0.0f;
            for (int w = 0; w < kResidentWarps; ++w) all_squares += squares[w * kTokens + token];
            norm_scale *= rsqrtf(all_squares / float(p.k) + p.eps);
        }
        if (finishes) {
            float first = 0.0f, second = 0.0f;
            for (int w = 0; w < kResidentWarps; ++w) {
                first += sums[(w * kTokens + token) * kSumRow + i];
                second += sums[(w * kTokens + token) * kSumRow + i + 8];
            }
            if (p.scale.data) {
                first *= p.scale_of(min(output.rows.first[0] + i, p.n - 1));
                second *= p.scale_of(min(output.rows.first[1] + i, p.n - 1));
            }
            epilogue.finish(output, loaded, first * norm_scale, second * norm_scale);
        }
        if (next >= units) break;
        unit = next;
        next = after;
        for (int r = 0; r < 2; ++r) rows[r] = next_rows[r];
    }
}

/// Calls body(types of resident_product_kernel) for p.
template <class Body>
auto with_resident_types(const Product& p, Body&& body) {
    const auto with_types = [&]<class X, class W>(X, W) {
        if (p.tokens <= 8)
            return p.has_norm ? body.template operator()<X, W, 1, true>() : body.template operator()<X, W, 1, false>();
        return p.has_norm ? body.template operator()<X, W, 2, true>() : body.template operator()<X, W, 2, false>();
    };
    const auto with_type = [&]<class X>(X x) {
        return p.weight.dtype == p.x.dtype ? with_types(x, x) : with_types(x, __nv_fp8_e4m3{});
    };
    return p.x.dtype == DType::bf16 ? with_type(__nv_bfloat16{}) : with_type(__half{});
}

/// Whether resident_product_kernel takes it on this device.
inline bool is_resident(const Product& p, const CudaBackend& backend) {
    return p.tokens <= kResidentTokens && takes_tensor_cores(p) &&
           with_resident_types(p, [&]<class X, class W, int kTiles, bool kNorm>() {
               return ResidentMemory<X, W, kTiles, kNorm>(p).bytes() <= backend.shared_bytes();
           });
}

/// Queues the product of an is_resident() p; false where the device refuses the shared memory.
template <class Epilogue>
bool launch_resident(const char* name, const Product& p, int units, const Epilogue& epilogue, CudaBackend& backend) {
    return with_resident_types(p, [&]<class X, class W, int kTiles, bool kNorm>() {
        const auto kernel = resident_product_kernel<X, W, kTiles, kNorm, Epilogue>;
        if (!backend.allow_shared_bytes(kernel, backend.shared_bytes())) return false;
        const bool prefetch = !backend.prefetched({static_cast<const std::byte*>(p.weight.data), 1}).empty();
        launch(kernel,
               {.name = name,
                .grid = unsigned(std::min(units, backend.multiprocessors())),
                .block = kResidentWarps * 32,
                .shared_bytes = ResidentMemory<X, W, kTiles, kNorm>(p).bytes(),
                .stream = backend.stream(),
                .programmatic = p.fixed_weights},
               p, units, backend.counters(), prefetch && p.fixed_weights, epilogue);
        return true;
    });
}

}  // namespace vitro::VITRO_DEVICE
