// Products of up to 64 tokens: tiles of rows by tensor cores, the norm before and what comes after in the same kernel.
// Each row of weights is read once, and x once for each tile.
#pragma once

#include "ops/common/product_parts_cuda.h"

namespace vitro::VITRO_DEVICE {

inline constexpr int kTileTokens = 64;  // at most
inline constexpr int kTileWarps = 8;    // of a block: groups of rows times groups that share the sum over k
inline constexpr int kTileUnits = 2;    // of a warp: 32 rows
inline constexpr int kTileStages = 3;   // rounds of x in shared memory
inline constexpr int kTileSplits = 4;   // blocks at most that share a tile's sum over k

/// How many tokens, rows and warps go together, and what lies in dynamic shared memory.
template <class X, class W, int kTiles, bool kNorm>
struct TileShape {
    static constexpr int kTokens = 8 * kTiles;
    // Steps of four chunks of weights a round, on their way in each thread; and blocks on a multiprocessor that
    // registers must last for.
    static constexpr int kUnroll = kTiles == 8 ? 4 : 2, kResident = kTiles == 8 ? 1 : 2;
    static constexpr int kRowGroups = std::max(2, kTiles / 2), kSumGroups = kTileWarps / kRowGroups;  // of warps
    static constexpr int kThreads = kRowGroups * 32;  // that copy what their group of the sum reads of x
    static constexpr int kUnits = kRowGroups * kTileUnits, kRows = 16 * kUnits;  // of a block
    static constexpr int kPer = 2 / int(sizeof(W));                              // chunks of x for a chunk of weights
    // A plane has the tokens' four chunks of a step, and room for one more: so that two planes in a row meet no bank.
    static constexpr int kPlane = kTokens * 4 + 4, kStage = kUnroll * kPer * kPlane;
    static constexpr int kRowChunks = kUnroll * kPer * 4;            // of x that a round takes of a token
    static constexpr int kCopies = kRowChunks * kTokens / kThreads;  // of a thread, in a round
    static constexpr int kNormAt = kSumGroups * kTileStages * kStage;
    static constexpr std::size_t kX =
        (std::size_t{kNormAt} + (kNorm ? kTileWarps * 32 * kTileStages : 0)) * sizeof(uint4);
    // Where x was: the sums of each group, [kTokens][two groups of rows][kUnits][8].
    static constexpr int kSumRow = kRows + 4, kSums = kSumGroups * kTokens * kSumRow;
    // Behind them the squares of each group, and whether a block is the last one of its tile.
    static constexpr std::size_t kSquaresAt = std::max(kX, std::size_t{kSums} * sizeof(float));
    static constexpr std::size_t kBytes = kSquaresAt + (kSumGroups * kTokens + 1) * sizeof(float);
    // What a block leaves for the last one of its tile: sums and squares.
    static constexpr int kPart = kTokens * kRows + kTokens;  // floats
};

/// x times the norm's weights, rounded; adds to the squares of x.
__device__ __forceinline__ uint4 weigh_rounded(const uint4& x, const uint4& by, float& squares) {
    const auto two = [&](unsigned from, unsigned weights) {
        const float2 value = unpack<__nv_bfloat16>(from);
        squares += value.x * value.x + value.y * value.y;
        __nv_bfloat162 a, b;
        __builtin_memcpy(&a, &from, sizeof a);
        __builtin_memcpy(&b, &weights, sizeof b);
        a = __hmul2(a, b);
        unsigned out;
        __builtin_memcpy(&out, &a, sizeof out);
        return out;
    };
    return make_uint4(two(x.x, by.x), two(x.y, by.y), two(x.z, by.z), two(x.w, by.w));
}

/// Half h of a chunk of f8e4m3 weights as T, or the chunk of 16-bit weights that it is.
template <class W, class T>
__device__ __forceinline__ uint4 multiplied_as(const uint4& chunk, int h) {
    if constexpr (sizeof(W) == 2) {
        return chunk;
    } else {
        const unsigned low = h == 0 ? chunk.x : chunk.z, high = h == 0 ? chunk.y : chunk.w;
        return make_uint4(of_f8e4m3<T>(low), of_f8e4m3<T>(low >> 16), of_f8e4m3<T>(high), of_f8e4m3<T>(high >> 16));
    }
}

/// Block (tile of rows, part of k). A warp multiplies the 32 rows of its units, those of a of mma.m16n8k16, with all
/// tokens, the columns of b, in every kSumGroups-th round of its block's; warps of one sum group copy x for each other.
/// With a norm, x times its weight is rounded as a norm's output would be; its scale is applied to the sums.
template <class X, class W, int kTiles, bool kNorm, class Epilogue>
__global__ void __launch_bounds__(kTileWarps * 32, (TileShape<X, W, kTiles, kNorm>::kResident))
    tile_product_kernel(const Product p, int units, float* parts, unsigned* counters,
                        const __grid_constant__ Epilogue epilogue) {
    static_assert(!kNorm || kIsBf16<X>);  // f16 has not the range of an x that is not yet scaled
    using Shape = TileShape<X, W, kTiles, kNorm>;
    constexpr int kPer = Shape::kPer, kTokens = Shape::kTokens, kUnroll = Shape::kUnroll, kStages = kTileStages;
    const int thread = int(threadIdx.x), warp = thread / 32, lane = thread % 32, group = lane / 4, part = lane % 4;
    const int row_group = warp % Shape::kRowGroups, sum_group = warp / Shape::kRowGroups;
    const int chunks = p.k / (8 * kPer), x_chunks = chunks * kPer;
    const int first_unit = int(blockIdx.x) * Shape::kUnits;
    // Rounds of the block, and this sum group's: begin + sum_group, + kSumGroups, …
    const int all_rounds = (chunks + kUnroll * 4 - 1) / (kUnroll * 4), splits = int(gridDim.y);
    const int begin = int(std::int64_t(all_rounds) * int(blockIdx.y) / splits) + sum_group;
    const int end = int(std::int64_t(all_rounds) * (int(blockIdx.y) + 1) / splits);

    const uint4* rows[kTileUnits][2];
#pragma unroll
    for (int unit = 0; unit < kTileUnits; ++unit) {
        const RowGroups groups = epilogue.rows(first_unit + row_group * kTileUnits + unit);
        for (int r = 0; r < 2; ++r)
            rows[unit][r] =
                static_cast<const uint4*>(p.weight.data) + std::int64_t(min(groups.first[r] + group, p.n - 1)) * chunks;
    }
    uint4 held[kUnroll][kTileUnits][2];
    const auto fetch = [&](int u, int round) {
        const int at = min((round * kUnroll + u) * 4 + part, chunks - 1);  // behind the last chunk x is zero
#pragma unroll
        for (int unit = 0; unit < kTileUnits; ++unit)
            for (int r = 0; r < 2; ++r) held[u][unit][r] = load_once(rows[unit][r] + at);
    };
    if (begin < end)
#pragma unroll
        for (int u = 0; u < kUnroll; ++u) fetch(u, begin);

    // A thread copies chunk `column` of a round of tokens first_token, + kThreads / kRowChunks, …
    const int copier = thread % Shape::kThreads, column = copier % Shape::kRowChunks;
    const int first_token = copier / Shape::kRowChunks;
    constexpr int kTokenStride = Shape::kThreads / Shape::kRowChunks;
    const int copied_tokens = (p.tokens + 7) / 8 * 8;  // whole tiles, the rest zeros
    uint4* const stages = dynamic_shared<uint4>() + sum_group * kStages * Shape::kStage;
    uint4* const norms = dynamic_shared<uint4>() + Shape::kNormAt + thread;  // this thread's, one for each stage
    const int to = (column / 4 / kPer * kPer + column % kPer) * Shape::kPlane + column % (4 * kPer) / kPer;
    const auto stage_norm = [&](int round, int stage) {
        const int chunk = round * Shape::kRowChunks + column;
        if constexpr (kNorm)
            cp_async<16>(norms + stage * kTileWarps * 32, static_cast<const uint4*>(p.norm.data) + chunk,
                         chunk < x_chunks);
    };
    const auto stage_x = [&](int round, int stage) {
        const int chunk = round * Shape::kRowChunks + column;
        if (round < end)
            for (int token = first_token; token < copied_tokens; token += kTokenStride)
                cp_async<16>(stages + stage * Shape::kStage + to + token * 4,
                             static_cast<const uint4*>(p.x.data) + std::int64_t(token) * x_chunks + chunk,
                             chunk < x_chunks && token < p.tokens);
        cp_async_commit();
    };
    for (int stage = 0; stage < kStages - 1; ++stage)
        if (begin + stage * Shape::kSumGroups < end) stage_norm(begin + stage * Shape::kSumGroups, stage);
    allow_next_kernel();
    wait_for_previous_kernel();
    for (int stage = 0; stage < kStages - 1; ++stage) stage_x(begin + stage * Shape::kSumGroups, stage);

    float acc[kTileUnits][kTiles][4] = {};
    float squares_of[kNorm ? Shape::kCopies : 1] = {};
    int stage = 0;
    for (int round = begin; round < end; round += Shape::kSumGroups) {
        cp_async_wait<kStages - 2>();
        uint4* const x = stages + stage * Shape::kStage;
        if constexpr (kNorm) {
            const uint4 by = norms[stage * kTileWarps * 32];
#pragma unroll
            for (int i = 0; i < Shape::kCopies; ++i) {
                const int token = first_token + i * kTokenStride;
                if (token >= copied_tokens) break;
                const uint4 chunk = x[to + token * 4];
                x[to + token * 4] = weigh_rounded(chunk, by, squares_of[i]);
            }
        }
        named_barrier_sync(unsigned(1 + sum_group), unsigned(Shape::kThreads));
        // Everybody is done with the stage before this one.
        const int later = round + (kStages - 1) * Shape::kSumGroups;
        const int free_stage = stage == 0 ? kStages - 1 : stage - 1;
        if (later < end) stage_norm(later, free_stage);
        stage_x(later, free_stage);
#pragma unroll
        for (int u = 0; u < kUnroll; ++u) {
#pragma unroll
            for (int h = 0; h < kPer; ++h) {
                uint4 w[kTileUnits][2];
#pragma unroll
                for (int unit = 0; unit < kTileUnits; ++unit)
                    for (int r = 0; r < 2; ++r) w[unit][r] = multiplied_as<W, X>(held[u][unit][r], h);
                const uint4* const plane = x + (u * kPer + h) * Shape::kPlane + lane;
#pragma unroll
                for (int tile = 0; tile < kTiles; ++tile) {
                    if (8 * tile >= p.tokens) break;
                    const uint4 column_of_b = plane[32 * tile];
#pragma unroll
                    for (int unit = 0; unit < kTileUnits; ++unit)
                        multiply<X>(acc[unit][tile], w[unit][0], w[unit][1], column_of_b);
                }
            }
            if (round + Shape::kSumGroups < end) fetch(u, round + Shape::kSumGroups);
        }
        stage = stage == kStages - 1 ? 0 : stage + 1;
    }
    cp_async_wait<0>();
    __syncthreads();  // sums lie where x was

    auto* const sums = dynamic_shared<float>();
    auto* const squares = dynamic_shared<float>(Shape::kSquaresAt);
    unsigned* const is_last = reinterpret_cast<unsigned*>(squares + Shape::kSumGroups * kTokens);
#pragma unroll
    for (int unit = 0; unit < kTileUnits; ++unit)
#pragma unroll
        for (int tile = 0; tile < kTiles; ++tile)
            for (int each = 0; each < 4; ++each)
                sums[(sum_group * kTokens + 8 * tile + 2 * part + each % 2) * Shape::kSumRow +
                     (each / 2 * Shape::kUnits + row_group * kTileUnits + unit) * 8 + group] = acc[unit][tile][each];
    if constexpr (kNorm) {
#pragma unroll
        for (int i = 0; i < Shape::kCopies; ++i) {
            for (int offset = 1; offset < Shape::kRowChunks; offset *= 2)
                squares_of[i] += __shfl_xor_sync(0xffffffffu, squares_of[i], offset);
            if (column == 0) squares[sum_group * kTokens + first_token + i * kTokenStride] = squares_of[i];
        }
    }
    __syncthreads();
    const auto sum_at = [&](int token, int at) {
        float sum = 0.0f;
        for (int each = 0; each < Shape::kSumGroups; ++each)
            sum += sums[(each * kTokens + token) * Shape::kSumRow + at];
        return sum;
    };
    const auto squares_at = [&](int token) {
        float sum = 0.0f;
        for (int each = 0; each < Shape::kSumGroups; ++each) sum += squares[each * kTokens + token];
        return sum;
    };
    float* const of_tile = parts + std::int64_t(blockIdx.x) * splits * Shape::kPart;
    if (splits > 1) {
        float* const mine = of_tile + std::int64_t(blockIdx.y) * Shape::kPart;
        for (int at = thread; at < p.tokens * Shape::kRows; at += kTileWarps * 32)
            mine[at] = sum_at(at / Shape::kRows, at % Shape::kRows);
        if (kNorm && thread < p.tokens) mine[kTokens * Shape::kRows + thread] = squares_at(thread);
        __syncthreads();
        if (thread == 0) *is_last = add_acquire_release(counters + blockIdx.x, 1u) == unsigned(splits - 1);
        __syncthreads();
        if (*is_last == 0) return;
        if (thread == 0) counters[blockIdx.x] = 0;
    }
    const auto whole = [&](int at_in_part, float in_block) {
        if (splits == 1) return in_block;
        float sum = 0.0f;
        for (int split = 0; split < splits; ++split) sum += of_tile[std::int64_t(split) * Shape::kPart + at_in_part];
        return sum;
    };
    for (int at = thread; at < p.tokens * Shape::kUnits * 8; at += kTileWarps * 32) {
        const int token = at / (Shape::kUnits * 8), in_group = at % (Shape::kUnits * 8), i = in_group % 8;
        const int unit = first_unit + in_group / 8;
        if (unit >= units) continue;
        const OutputRows output{epilogue.rows(unit), token, i};
        if (i >= max(output.rows.count[0], output.rows.count[1])) continue;
        const auto loaded = epilogue.load(output);
        float both[2];
        for (int r = 0; r < 2; ++r) {
            const int of_row = r * Shape::kUnits * 8 + in_group;
            both[r] = whole(token * Shape::kRows + of_row, splits == 1 ? sum_at(token, of_row) : 0.0f);
            if (p.scale.data) both[r] *= p.scale_of(min(output.rows.first[r] + i, p.n - 1));
        }
        if constexpr (kNorm) {
            const float all = whole(kTokens * Shape::kRows + token, splits == 1 ? squares_at(token) : 0.0f);
            const float scale = rsqrtf(all / float(p.k) + p.eps);
            both[0] *= scale;
            both[1] *= scale;
        }
        epilogue.finish(output, loaded, both[0], both[1]);
    }
}

/// Blocks for the tiles of `units`, and blocks that share one: so many that they ask for all that the memory gives.
struct TileGrid {
    int tiles, splits;

    template <class Shape>
    static TileGrid of(const Product& p, int units, int multiprocessors) {
        const int tiles = (units + Shape::kUnits - 1) / Shape::kUnits;
        const int rounds = p.k / (8 * Shape::kPer) / (Shape::kUnroll * 4);
        const int most = std::clamp(rounds / (2 * Shape::kSumGroups), 1, kTileSplits);
        return {tiles, std::clamp((multiprocessors + tiles / 2) / tiles, 1, most)};
    }
    template <class Shape>
    std::size_t part_bytes() const {
        return splits == 1 ? 0 : std::size_t(tiles) * unsigned(splits) * Shape::kPart * sizeof(float);
    }
};

/// Whether tile_product_kernel takes it.
inline bool is_tiled(const Product& p) {
    return p.tokens <= kTileTokens && takes_tensor_cores(p) && (!p.has_norm || p.x.dtype == DType::bf16);
}

/// Calls body(TileShape) with the shape for p's dtypes and so many tokens.
template <class Body>
auto with_tile_shape(const Product& p, int tokens, Body&& body) {
    const auto with_types = [&]<class X, class W>(X, W) {
        const auto with_norm = [&](auto norm) {
            constexpr bool kNorm = decltype(norm)::value;
            if (tokens <= 16) return body.template operator()<X, W, 2, kNorm>();
            if (tokens <= 32) return body.template operator()<X, W, 4, kNorm>();
            return body.template operator()<X, W, 8, kNorm>();
        };
        if constexpr (kIsBf16<X>)
            if (p.has_norm) return with_norm(std::true_type{});
        return with_norm(std::false_type{});
    };
    const auto with_type = [&]<class X>(X x) {
        return p.weight.dtype == p.x.dtype ? with_types(x, x) : with_types(x, __nv_fp8_e4m3{});
    };
    return p.x.dtype == DType::bf16 ? with_type(__nv_bfloat16{}) : with_type(__half{});
}

/// Bytes of scratch for up to p.tokens tokens.
inline std::size_t tile_scratch(const Product& p, int units, const CudaBackend& backend) {
    std::size_t most = 0;
    for (const int tokens : {16, 32, kTileTokens}) {
        const auto bytes = with_tile_shape(p, tokens, [&]<class X, class W, int kTiles, bool kNorm>() {
            using Shape = TileShape<X, W, kTiles, kNorm>;
            return TileGrid::of<Shape>(p, units, backend.multiprocessors()).template part_bytes<Shape>();
        });
        most = std::max(most, bytes);
        if (tokens >= p.tokens) break;
    }
    return most;
}

/// Queues the product of an is_tiled() p; false where the device has not the shared memory. Where the scratch is too
/// small for parts of sums, blocks share none.
template <class Epilogue>
bool launch_tiled(const char* name, const Product& p, int units, const Epilogue& epilogue, std::span<std::byte> scratch,
                  CudaBackend& backend) {
    return with_tile_shape(p, p.tokens, [&]<class X, class W, int kTiles, bool kNorm>() {
        using Shape = TileShape<X, W, kTiles, kNorm>;
        const auto kernel = tile_product_kernel<X, W, kTiles, kNorm, Epilogue>;
        if (!backend.allow_shared_bytes(kernel, Shape::kBytes)) return false;
        TileGrid grid = TileGrid::of<Shape>(p, units, backend.multiprocessors());
        if (grid.template part_bytes<Shape>() > scratch.size()) grid.splits = 1;
        launch(kernel,
               {.name = name,
                .grid = {unsigned(grid.tiles), unsigned(grid.splits)},
                .block = kTileWarps * 32,
                .shared_bytes = Shape::kBytes,
                .stream = backend.stream(),
                .programmatic = p.fixed_weights},
               p, units, reinterpret_cast<float*>(scratch.data()), backend.counters(), epilogue);
        return true;
    });
}

}  // namespace vitro::VITRO_DEVICE
