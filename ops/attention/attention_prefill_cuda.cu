// Attention of many tokens: FlashAttention-2 (Dao 2023) on tensor cores, over the paged cache and ragged steps.
#include "backends/cuda/reduce.h"
#include "ops/attention/attention_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

constexpr int kWarps = 4, kRows = 16 * kWarps;

/// Keys of a tile.
template <int kD>
inline constexpr int kKeys = kD > 128 ? 32 : 64;

/// Blocks on a multiprocessor that registers must last for: else the compiler aims at one more, and spills.
template <int kD>
inline constexpr int kBlocks = kD > 64 ? 2 : 3;

template <class T, class C, int kD>
constexpr std::size_t shared_bytes() {
    const std::size_t q = kD > 128 ? kRows * TileRow<T, kD>::kStride * sizeof(T) : 0;
    return q + 2 * 2 * kKeys<kD> * TileRow<C, kD>::kStride * sizeof(C);
}

/// What rows g and g + 8 of a warp's 16 have gathered, in the registers of mma's result.
template <int kD>
struct Rows {
    float sums[kD / 8][4] = {};
    float largest[2] = {-INFINITY, -INFINITY};
    float total[2] = {};  // this lane's part
};

/// One tile of keys for a warp's 16 rows, of which row r sees keys [begin[r], end[r]) of the tile.
template <class T, class C, int kD, class Q>
__device__ __forceinline__ void attend(const AttentionTensors& a, const Q& q, const C* k, const C* v,
                                       const int (&begin)[2], const int (&end)[2], bool all_seen, Rows<kD>& rows) {
    constexpr int kTiles = kKeys<kD> / 16;
    const int part = int(threadIdx.x) % 4;
    float scores[kTiles][2][4] = {};
#pragma unroll
    for (int i = 0; i < kTiles; ++i) score_keys<T, C, kD>(scores[i], q, k + 16 * i * TileRow<C, kD>::kStride);
    if (a.cap != 0.0f)
#pragma unroll
        for (int i = 0; i < kTiles; ++i)
            for (int j = 0; j < 8; ++j) scores[i][j / 4][j % 4] = a.held(scores[i][j / 4][j % 4]);

    const bool any_seen[2] = {begin[0] < min(end[0], kKeys<kD>) && end[0] > 0,
                              begin[1] < min(end[1], kKeys<kD>) && end[1] > 0};
    float largest[2] = {rows.largest[0], rows.largest[1]};
#pragma unroll
    for (int i = 0; i < kTiles; ++i)
#pragma unroll
        for (int j = 0; j < 8; ++j) {
            const int r = j / 2 % 2, key = 16 * i + j / 4 * 8 + 2 * part + j % 2;
            float& score = scores[i][j / 4][j % 4];
            score *= a.log2_scale;
            if (!all_seen && (key < begin[r] || key >= end[r])) score = -INFINITY;
            largest[r] = fmaxf(largest[r], score);
        }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        for (int offset = 1; offset < 4; offset *= 2)
            largest[r] = fmaxf(largest[r], __shfl_xor_sync(0xffffffffu, largest[r], offset));
        // A tile in which the row sees nothing leaves it as it is.
        if (any_seen[r]) largest[r] = fmaxf(largest[r], kLeastScore);
        const float shift = largest[r] == -INFINITY ? 0.0f : largest[r];
        const float shrink = fast_exp2(rows.largest[r] - shift);
        rows.largest[r] = largest[r];
        rows.total[r] *= shrink;
#pragma unroll
        for (int i = 0; i < kD / 8; ++i) {
            rows.sums[i][2 * r] *= shrink;
            rows.sums[i][2 * r + 1] *= shrink;
        }
#pragma unroll
        for (int i = 0; i < kTiles; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j) {
                float& score = scores[i][j / 2][2 * r + j % 2];
                score = fast_exp2(score - shift);
                rows.total[r] += score;
            }
    }
#pragma unroll
    for (int i = 0; i < kTiles; ++i) {
        const auto& s = scores[i];
        const std::uint32_t weights[4] = {pack<T>(s[0][0], s[0][1]), pack<T>(s[0][2], s[0][3]),
                                          pack<T>(s[1][0], s[1][1]), pack<T>(s[1][2], s[1][3])};
        add_values<T, C, kD>(rows.sums, weights, v + 16 * i * TileRow<C, kD>::kStride);
    }
}

/// One row once more by a warp, over the keys that it sees alone: in a tile 0 times a value that is not finite is NaN,
/// and what a token does not see takes no part in its result.
template <class T, class C, int kD>
__device__ __attribute__((noinline)) void attend_alone(const AttentionTensors& a, int token, int head) {
    constexpr int kEach = (kD + 31) / 32;  // elements of a lane
    const int lane = int(threadIdx.x) % 32, kv_head = head / (a.heads / a.kv_heads), sequence = a.sequences[token];
    const std::int64_t at = (std::int64_t(token) * a.heads + head) * kD;
    const int2 seen = a.visible(token);
    float sums[kEach] = {}, largest = -INFINITY, total = 0.0f;
    for (int position = seen.x; position < seen.y; ++position) {
        const std::int64_t row = (a.pages.row(sequence, position) * a.kv_heads + kv_head) * kD;
        float score = 0.0f;
        for (int i = lane; i < kD; i += 32) score += load<1>(a.q, at + i).at[0] * load<1>(a.k_cache, row + i).at[0];
        score = reduce_warp(score, Sum{});
        score = (a.cap == 0.0f ? score : a.held(score)) * a.log2_scale;
        const float high = fmaxf(fmaxf(largest, kLeastScore), score);
        const float shrink = fast_exp2(largest - high), weight = fast_exp2(score - high);
        largest = high;
        total = total * shrink + weight;
        for (int k = 0; k < kEach; ++k)
            if (const int i = lane + 32 * k; i < kD)
                sums[k] = sums[k] * shrink + weight * load<1>(a.v_cache, row + i).at[0];
    }
    for (int k = 0; k < kEach; ++k)
        if (const int i = lane + 32 * k; i < kD) store<1>(a.out, at + i, {{seen.x < seen.y ? sums[k] / total : 0.0f}});
}

/// A block: kRows tokens of one head, 16 a warp. The tokens of each sequence among them share tiles of its keys; a row
/// of another sequence sees none. Two tiles in shared memory: one arrives while the other is worked on.
template <class T, class C, int kD>
__global__ void __launch_bounds__(kWarps * 32, kBlocks<kD>)
    attention_prefill_kernel(const __grid_constant__ AttentionTensors a) {
    using Row = TileRow<C, kD>;
    constexpr int kTile = kKeys<kD> * Row::kStride, kQRow = TileRow<T, kD>::kStride;
    constexpr bool kQInShared = kD > 128;
    VITRO_SHARED(int, sequence_of, kRows);
    VITRO_SHARED(int2, seen, kRows);
    VITRO_SHARED(int, cache_rows, 2 * kKeys<kD>);
    T* const q_tile = dynamic_shared<T>();
    C* const tiles = reinterpret_cast<C*>(q_tile + (kQInShared ? kRows * kQRow : 0));  // [2][k, v][keys][kStride]
    const int thread = int(threadIdx.x), warp = thread / 32, lane = thread % 32, group = lane / 4, part = lane % 4;
    const int first = int(gridDim.x - 1 - blockIdx.x) * kRows;  // the last tokens, which see most, begin
    const int head = int(blockIdx.y), kv_head = head / (a.heads / a.kv_heads);
    allow_next_kernel();
    wait_for_previous_kernel();

    if (thread < kRows) {
        const int token = first + thread;
        seen[thread] = token < a.tokens ? a.visible(token) : make_int2(0, 0);
        sequence_of[thread] = seen[thread].x < seen[thread].y ? a.sequences[token] : -1;
    }
    const T* const q_data = static_cast<const T*>(a.q.data);
    std::uint32_t q_held[kQInShared ? 1 : kD / 16][4];
#pragma unroll(kQInShared ? 1 : kD / 16)
    for (int i = 0; i < kD / 16; ++i)
        for (int j = 0; j < 4; ++j) {
            const int row = warp * 16 + group + j % 2 * 8, token = first + row;
            const unsigned pair =
                token < a.tokens
                    ? *reinterpret_cast<const unsigned*>(q_data + (std::int64_t(token) * a.heads + head) * kD +
                                                         first_of_pair<C>(i, j / 2))
                    : 0u;
            if constexpr (kQInShared)
                *reinterpret_cast<unsigned*>(q_tile + row * kQRow + 16 * i + j / 2 * 8 + 2 * part) = pair;
            else
                q_held[i][j] = pair;
        }
    __syncthreads();

    const T* const q_row = q_tile + (warp * 16 + lane % 16) * kQRow + lane / 16 * 8;
    const auto q = [&](int i, std::uint32_t(&out)[4]) {
        if constexpr (kQInShared)
            ldmatrix(out, q_row + 16 * i);
        else
            for (int j = 0; j < 4; ++j) out[j] = q_held[i][j];
    };
    Rows<kD> rows;
    const int own[2] = {warp * 16 + group, warp * 16 + group + 8};
    for (int sequence = -1;;) {
        int next = 1 << 30, begin = 1 << 30, end = 0;
        for (int row = 0; row < kRows; ++row)
            if (sequence_of[row] > sequence) next = min(next, sequence_of[row]);
        if (next == 1 << 30) break;
        sequence = next;
        for (int row = 0; row < kRows; ++row)
            if (sequence_of[row] == sequence) {
                begin = min(begin, seen[row].x);
                end = max(end, seen[row].y);
            }
        int2 mine[2];
        for (int r = 0; r < 2; ++r) mine[r] = sequence_of[own[r]] == sequence ? seen[own[r]] : make_int2(0, 0);
        // What all of the warp's rows see, and what any does.
        const int all_begin = __reduce_max_sync(0xffffffffu, max(mine[0].x, mine[1].x)),
                  all_end = __reduce_min_sync(0xffffffffu, min(mine[0].y, mine[1].y)),
                  any_begin = __reduce_min_sync(
                      0xffffffffu, min(mine[0].y > 0 ? mine[0].x : 1 << 30, mine[1].y > 0 ? mine[1].x : 1 << 30)),
                  any_end = __reduce_max_sync(0xffffffffu, max(mine[0].y, mine[1].y));

        const int n_tiles = (end - begin + kKeys<kD> - 1) / kKeys<kD>;
        const auto look_up = [&](int tile) {
            const int position = begin + tile * kKeys<kD> + thread;
            if (thread < kKeys<kD>)
                cache_rows[tile % 2 * kKeys<kD> + thread] = position < end ? int(a.pages.row(sequence, position)) : 0;
        };
        const auto copy = [&](int tile) {
            if (tile < n_tiles) {
                C* const to = tiles + tile % 2 * 2 * kTile;
#pragma unroll
                for (int i = 0; i < (kKeys<kD> * Row::kChunks + kWarps * 32 - 1) / (kWarps * 32); ++i) {
                    const Row at(thread + i * kWarps * 32);
                    if (kKeys<kD> * Row::kChunks % (kWarps * 32) == 0 || at.key < kKeys<kD>)
                        at.copy(a, kv_head, cache_rows[tile % 2 * kKeys<kD> + at.key],
                                begin + tile * kKeys<kD> + at.key < end, to, to + kTile);
                }
            }
            cp_async_commit();
        };
        __syncthreads();  // the tiles of the sequence before are done with
        look_up(0);
        look_up(1);
        __syncthreads();
        copy(0);
        for (int tile = 0; tile < n_tiles; ++tile) {
            cp_async_wait<0>();
            __syncthreads();
            copy(tile + 1);
            look_up(tile + 2);
            const int at = begin + tile * kKeys<kD>;
            if (at >= any_end || at + kKeys<kD> <= any_begin) continue;
            const bool all_seen = at >= all_begin && at + kKeys<kD> <= all_end;
            const int from[2] = {mine[0].x - at, mine[1].x - at}, to[2] = {mine[0].y - at, mine[1].y - at};
            const C* k = tiles + tile % 2 * 2 * kTile;
            attend<T, C, kD>(a, q, k, k + kTile, from, to, all_seen, rows);
        }
        cp_async_wait<0>();
    }

    unsigned not_finite[2];  // by lane, four to a row
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        float total = rows.total[r];
        for (int offset = 1; offset < 4; offset *= 2) total += __shfl_xor_sync(0xffffffffu, total, offset);
        const float scale = seen[own[r]].x < seen[own[r]].y ? 1.0f / total : 0.0f;
        const int token = first + own[r];
        T* const out = static_cast<T*>(a.out.data) + (std::int64_t(token) * a.heads + head) * kD;
        float zeros = 0.0f;
#pragma unroll
        for (int i = 0; i < kD / 16; ++i)
            for (int j = 0; j < 2; ++j) {
                const float2 sums = sums_of_pair<C>(rows.sums, i, j, r);
                const float2 means = make_float2(sums.x * scale, sums.y * scale);
                zeros += means.x * 0.0f + means.y * 0.0f;
                if (token < a.tokens)
                    *reinterpret_cast<unsigned*>(out + first_of_pair<C>(i, j)) = pack<T>(means.x, means.y);
            }
        not_finite[r] = __ballot_sync(0xffffffffu, token < a.tokens && !(zeros == 0.0f));
    }
    if ((not_finite[0] | not_finite[1]) == 0) return;
    __syncwarp();
    for (int row = 0; row < 16; ++row)
        if ((not_finite[row / 8] >> (row % 8 * 4) & 0xfu) != 0)
            attend_alone<T, C, kD>(a, first + warp * 16 + row, head);
}

template <class T, class C, int kD>
bool launch_prefill(const AttentionTensors& a, CudaBackend& backend) {
    constexpr std::size_t kBytes = shared_bytes<T, C, kD>();
    const auto kernel = attention_prefill_kernel<T, C, kD>;
    if (!backend.allow_shared_bytes(kernel, kBytes)) return false;
    launch(kernel,
           {.name = "attention_prefill",
            .grid = {blocks_for(a.tokens, kRows), unsigned(a.heads)},
            .block = kWarps * 32,
            .shared_bytes = kBytes,
            .stream = backend.stream(),
            .programmatic = true},
           a);
    return true;
}

}  // namespace

bool launch_attention_prefill(const AttentionTensors& a, CudaBackend& backend) {
    return with_attention_types(a, [&]<class T, class C, int kD>() { return launch_prefill<T, C, kD>(a, backend); });
}

}  // namespace vitro::VITRO_DEVICE
