// Attention of many tokens: FlashAttention-2 (Dao 2023) on tensor cores, over the paged cache and ragged steps.
#include "ops/attention/attention_rows_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

constexpr int kWarps = 4;

/// Keys of a tile: as many as registers last for.
template <int kD>
inline constexpr int kKeys = kD > 96 ? 32 : 64;

/// Blocks on a multiprocessor at once, for which registers and shared memory last.
constexpr int kBlocks = 2;

/// Whether q stays in shared memory: registers do not last for it.
template <int kD>
inline constexpr bool kQInShared = kD > 64;

template <class T, class C, int kD>
constexpr std::size_t shared_bytes() {
    const std::size_t q = kQInShared<kD> ? kPrefillRows<kD> * TileRow<T, kD>::kStride * sizeof(T) : 0;
    return q + 2 * 2 * kKeys<kD> * TileRow<C, kD>::kStride * sizeof(C);
}

/// One tile of keys for a warp's rows; `seen` as weigh() has it.
template <class T, class C, int kD, int kM, class Q, class Seen>
__device__ __forceinline__ void attend(const AttentionTensors& a, const Q& q, const C* k, const C* v, bool all_seen,
                                       const Seen& seen, Rows<kD, kM>& rows) {
    constexpr int kTiles = kKeys<kD> / 16;
    float scores[kTiles][kM][2][4] = {}, shrink[kM][2];
    score_keys<T, C, kD>(scores, q, k);
    weigh(a, scores, all_seen, seen, rows, shrink);
    shrink_sums(rows, shrink);
#pragma unroll
    for (int i = 0; i < kTiles; ++i) {
        std::uint32_t weights[kM][4];
        pack_weights<T>(scores[i], weights);
        add_values<T, C, kD>(rows.sums, weights, v + 16 * i * TileRow<C, kD>::kStride);
    }
}

/// What a thread copies of a tile: of each kPass-th key, from `key` on, each kSpan-th chunk of 16 bytes. Threads read
/// whole sectors together, and each eight of them write to other banks.
template <class C, int kD>
struct Copied {
    using Row = TileRow<C, kD>;
    static constexpr int kSpan = Row::kChunks % 8 == 0 ? 8 : 4, kPass = kWarps * 32 / kSpan;

    int chunk = int(threadIdx.x) % kSpan, key = int(threadIdx.x) / kSpan;

    __device__ Copied() {
        if (kSpan == 4) key = key / 8 * 8 + key % 2 * 4 + key / 2 % 4;  // 4 rows are half of the banks apart
    }
    /// Of row `row` of the caches to a row of the tile of keys, and to one of the tile of values behind it; zeros
    /// unless `keep`.
    __device__ __forceinline__ void copy(const AttentionTensors& a, int kv_head, std::int64_t row, bool keep, C* to,
                                         int values) const {
        const std::int64_t from = (row * a.kv_heads + kv_head) * kD + chunk * Row::kPerChunk;
        to += chunk * Row::kPerChunk;
#pragma unroll
        for (int i = 0; i < Row::kChunks; i += kSpan) {
            if (Row::kChunks % kSpan != 0 && i + chunk >= Row::kChunks) continue;
            const int at = i * Row::kPerChunk;
            cp_async<16>(to + at, static_cast<const C*>(a.k_cache.data) + from + at, keep);
            cp_async<16>(to + values + at, static_cast<const C*>(a.v_cache.data) + from + at, keep);
        }
    }
};

/// A block: (kv head, rows, split). The rows of each sequence among them share tiles of its keys; a row of another
/// sequence sees none. Two tiles in shared memory: one arrives while the other is worked on.
template <class T, class C, int kD>
__global__ void __launch_bounds__(kWarps * 32, kBlocks)
    attention_prefill_kernel(const __grid_constant__ AttentionTensors a, const PrefillParts parts) {
    using Row = TileRow<C, kD>;
    constexpr int kM = kRowTiles<kD>, kRows = kPrefillRows<kD>, kThreads = kWarps * 32;
    constexpr int kTile = kKeys<kD> * Row::kStride, kQRow = TileRow<T, kD>::kStride;
    VITRO_SHARED(int, sequence_of, kRows);
    VITRO_SHARED(int, place_of, kRows);  // -1: there is no such row
    VITRO_SHARED(int2, seen, kRows);
    VITRO_SHARED(Share, share, 1);
    VITRO_SHARED(int4, seen_by, kWarps);  // by a warp's rows: keys [x, y) by all of them, [z, w) by any
    VITRO_SHARED(int, cache_rows, 2 * kKeys<kD>);
    T* const q_tile = dynamic_shared<T>();
    C* const tiles = reinterpret_cast<C*>(q_tile + (kQInShared<kD> ? kRows * kQRow : 0));  // [2][k, v][keys][kStride]
    const int thread = int(threadIdx.x), warp = thread / 32, lane = thread % 32, group = lane / 4, part = lane % 4;
    const int row_block = int(gridDim.y - 1 - blockIdx.y);  // the last tokens, which see most, begin
    const int kv_head = int(blockIdx.x), item = row_block * int(gridDim.x) + kv_head;
    allow_next_kernel();
    wait_for_previous_kernel();

    for (int row = thread; row < kRows; row += kThreads)
        find_row(a, kv_head, row_block * kRows + row, place_of + row, seen + row, sequence_of + row);
    __syncthreads();

    if (!take_share<kRows, kKeys<kD>>(sequence_of, seen, parts, item, share)) return;

    const auto row_of = [&](int m, int r) { return (warp * kM + m) * 16 + group + 8 * r; };
    const T* const q_data = static_cast<const T*>(a.q.data);
    const unsigned sign = a.log2_scale < 0.0f ? 0x80008000u : 0u;
    std::uint32_t q_held[kQInShared<kD> ? 1 : kM][kQInShared<kD> ? 1 : kD / 16][4];
#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll(kQInShared <kD> ? 1 : kD / 16)
        for (int i = 0; i < kD / 16; ++i)
            for (int j = 0; j < 4; ++j) {
                const int row = row_of(m, j % 2), place = place_of[row];
                const unsigned pair = place >= 0
                                          ? sign ^ *reinterpret_cast<const unsigned*>(
                                                       q_data + std::int64_t(place) * kD + first_of_pair<C>(i, j / 2))
                                          : 0u;
                if constexpr (kQInShared<kD>)
                    *reinterpret_cast<unsigned*>(q_tile + row * kQRow + 16 * i + j / 2 * 8 + 2 * part) = pair;
                else
                    q_held[m][i][j] = pair;
            }
    if constexpr (kQInShared<kD>) __syncwarp();
    const T* const q_row = q_tile + (warp * kM * 16 + lane % 16) * kQRow + lane / 16 * 8;
    const auto q = [&](int i, int m, std::uint32_t(&out)[4]) {
        if constexpr (kQInShared<kD>)
            ldmatrix(out, q_row + 16 * (m * kQRow + i));
        else
            for (int j = 0; j < 4; ++j) out[j] = q_held[m][i][j];
    };

    const Copied<C, kD> copied;
    Rows<kD, kM> rows;
    int before = 0;  // tiles of the sequences in front
    __syncthreads();
    for (Keys keys = Keys::next<kRows>(sequence_of, seen, -1); keys.sequence != Keys::kNone;
         keys = Keys::next<kRows>(sequence_of, seen, keys.sequence)) {
        const int n_tiles = keys.tiles<kKeys<kD>>(), from = max(0, share->first - before),
                  to = min(n_tiles, share->last - before);
        before += n_tiles;
        if (from >= to) continue;
        // What all of the warp's rows see, and what any does.
        int all_begin = 0, all_end = Keys::kNone, any_begin = Keys::kNone, any_end = 0;
#pragma unroll
        for (int m = 0; m < kM; ++m)
            for (int r = 0; r < 2; ++r) {
                const int row = row_of(m, r);
                const int2 mine = sequence_of[row] == keys.sequence ? seen[row] : make_int2(0, 0);
                all_begin = max(all_begin, mine.x);
                all_end = min(all_end, mine.y);
                if (mine.y > 0) any_begin = min(any_begin, mine.x);
                any_end = max(any_end, mine.y);
            }
        all_begin = __reduce_max_sync(0xffffffffu, all_begin);
        all_end = __reduce_min_sync(0xffffffffu, all_end);
        any_begin = __reduce_min_sync(0xffffffffu, any_begin);
        any_end = __reduce_max_sync(0xffffffffu, any_end);

        const auto look_up = [&](int tile) {
            const int position = keys.begin + tile * kKeys<kD> + thread;
            if (thread < kKeys<kD>)
                cache_rows[tile % 2 * kKeys<kD> + thread] =
                    position < keys.end ? int(a.pages.row(keys.sequence, position)) : 0;
        };
        const auto copy = [&](int tile) {
            if (tile < to) {
                C* const target = tiles + tile % 2 * 2 * kTile;
#pragma unroll
                for (int pass = 0; pass < kKeys<kD>; pass += Copied<C, kD>::kPass) {
                    const int key = pass + copied.key;
                    copied.copy(a, kv_head, cache_rows[tile % 2 * kKeys<kD> + key],
                                keys.begin + tile * kKeys<kD> + key < keys.end, target + key * Row::kStride, kTile);
                }
            }
            cp_async_commit();
        };
        __syncthreads();  // the tiles of the sequence before are done with
        if (lane == 0) seen_by[warp] = make_int4(all_begin, all_end, any_begin, any_end);
        look_up(from);
        look_up(from + 1);
        __syncthreads();
        copy(from);
        for (int tile = from; tile < to; ++tile) {
            cp_async_wait<0>();
            __syncthreads();
            copy(tile + 1);
            look_up(tile + 2);
            const int at = keys.begin + tile * kKeys<kD>;
            const int4 by = seen_by[warp];
            if (at >= by.w || at + kKeys<kD> <= by.z) continue;
            const bool all_seen = at >= by.x && at + kKeys<kD> <= by.y;
            const C* k = tiles + tile % 2 * 2 * kTile;
            const auto seen_of_tile = [&](int m, int r) {
                const int row = row_of(m, r);
                return sequence_of[row] == keys.sequence ? make_int2(seen[row].x - at, seen[row].y - at)
                                                         : make_int2(0, 0);
            };
            attend<T, C>(a, q, k, k + kTile, all_seen, seen_of_tile, rows);
        }
        cp_async_wait<0>();
    }

    finish<T, C, kRows>(a, parts, item, share->splits, place_of, seen, row_of, rows);
}

template <class T, class C, int kD>
bool launch_prefill(const AttentionTensors& a, const PrefillSplits& splits, std::byte* memory, CudaBackend& backend) {
    constexpr std::size_t kBytes = shared_bytes<T, C, kD>();
    const auto kernel = attention_prefill_kernel<T, C, kD>;
    return launch_rows({.name = "attention_prefill", .block = kWarps * 32, .shared_bytes = kBytes}, kernel,
                       kPrefillRows<kD>, kD, a, splits, memory, backend);
}

}  // namespace

PrefillSplits::PrefillSplits(std::int64_t tokens, std::int64_t heads, std::int64_t kv_heads, std::int64_t d,
                             std::int64_t most_keys, int multiprocessors) {
    const std::int64_t rows = d > 128 ? kPrefillRows<256> : kPrefillRows<64>;
    const std::int64_t resident = multiprocessors * kBlocks, most = std::min<std::int64_t>(kMost, most_keys / kMinKeys);
    items = kernel_int((tokens * (heads / kv_heads) + rows - 1) / rows * kv_heads);
    count = kernel_int(std::max<std::int64_t>(1, std::min(resident / std::max(1, items), most)));
    if (most > 1)
        most_bytes = std::size_t(resident) *
                     (sizeof(int) + std::size_t(rows) * (sizeof(float2) + std::size_t(d) * sizeof(float)));
}

bool launch_attention_prefill(const AttentionTensors& a, const PrefillSplits& splits, std::byte* parts,
                              CudaBackend& backend) {
    return with_attention_types(
        a, [&]<class T, class C, int kD>() { return launch_prefill<T, C, kD>(a, splits, parts, backend); });
}

}  // namespace vitro::VITRO_DEVICE
