// Attention of many tokens: FlashAttention-2 (Dao 2023) on tensor cores, over the paged cache and ragged steps.
#include "ops/attention/attention_prefill_cuda.h"

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

/// What rows g and g + 8 of each of a warp's tiles have gathered, in the registers of mma's result.
template <int kD>
struct Rows {
    static constexpr int kTiles = kRowTiles<kD>;
    float sums[kTiles][kD / 8][4] = {};
    float largest[kTiles][2];     // product of q and k
    float total[kTiles][2] = {};  // this lane's part

    __device__ Rows() {
        for (auto& tile : largest) tile[0] = tile[1] = -INFINITY;
    }
};

/// One tile of keys for a warp's rows. `seen`(m, r), of row g + 8 r of tile m, says which keys [x, y) of the tile the
/// row sees, where not all rows see all.
template <class T, class C, int kD, class Q, class Seen>
__device__ __forceinline__ void attend(const AttentionTensors& a, const Q& q, const C* k, const C* v, bool all_seen,
                                       const Seen& seen, Rows<kD>& rows) {
    constexpr int kTiles = kKeys<kD> / 16, kM = Rows<kD>::kTiles;
    const int part = int(threadIdx.x) % 4;
    float scores[kTiles][kM][2][4] = {};
    score_keys<T, C, kD>(scores, q, k);
    if (a.cap != 0.0f)
#pragma unroll
        for (int i = 0; i < kTiles * kM * 8; ++i) {
            float& score = scores[i / 8 / kM][i / 8 % kM][i / 4 % 2][i % 4];
            score = a.held(score);
        }
    // The least that the largest product of a row is: a tile in which it sees nothing leaves it as it is.
    float least[kM][2];
#pragma unroll
    for (int i = 0; i < 2 * kM; ++i) least[i / 2][i % 2] = kLeastScore;
    if (!all_seen)
#pragma unroll
        for (int m = 0; m < kM; ++m)
            for (int r = 0; r < 2; ++r) {
                const int2 keys = seen(m, r);
                if (keys.x >= min(keys.y, kKeys<kD>) || keys.y <= 0) least[m][r] = -INFINITY;
#pragma unroll
                for (int i = 0; i < kTiles * 4; ++i) {
                    const int key = i / 4 * 16 + i / 2 % 2 * 8 + 2 * part + i % 2;
                    if (key < keys.x || key >= keys.y) scores[i / 4][m][i / 2 % 2][2 * r + i % 2] = -INFINITY;
                }
            }
    const float scale = fabsf(a.log2_scale);  // q has its sign
#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            const float before = rows.largest[m][r];
            float largest = before;
#pragma unroll
            for (int i = 0; i < kTiles * 4; ++i) largest = fmaxf(largest, scores[i / 4][m][i / 2 % 2][2 * r + i % 2]);
            for (int offset = 1; offset < 4; offset *= 2)
                largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, offset));
            largest = fmaxf(largest, least[m][r]);
            const float shift = largest == -INFINITY ? 0.0f : largest * scale;
            const float shrink = fast_exp2(before * scale - shift);
            float total = rows.total[m][r] * shrink;
            rows.largest[m][r] = largest;
#pragma unroll
            for (int i = 0; i < kD / 8; ++i) {
                rows.sums[m][i][2 * r] *= shrink;
                rows.sums[m][i][2 * r + 1] *= shrink;
            }
#pragma unroll
            for (int i = 0; i < kTiles * 4; ++i) {
                float& score = scores[i / 4][m][i / 2 % 2][2 * r + i % 2];
                score = fast_exp2(score * scale - shift);
                total += score;
            }
            rows.total[m][r] = total;
        }
#pragma unroll
    for (int i = 0; i < kTiles; ++i) {
        std::uint32_t weights[kM][4];
#pragma unroll
        for (int j = 0; j < 4 * kM; ++j) {
            const auto& of = scores[i][j / 4][j / 2 % 2];
            weights[j / 4][j % 4] = pack<T>(of[j % 2 * 2], of[j % 2 * 2 + 1]);
        }
        add_values<T, C, kD>(rows.sums, weights, v + 16 * i * TileRow<C, kD>::kStride);
    }
}

/// The keys [begin, end) that the block's rows of a sequence see together.
struct Keys {
    static constexpr int kNone = 1 << 30;
    int sequence, begin = kNone, end = 0;

    /// Of the sequence that follows `after` among those of the rows, or kNone. All lanes of a warp call together.
    template <int kRows>
    __device__ static Keys next(const int* sequence_of, const int2* seen, int after) {
        const int lane = int(threadIdx.x) % 32;
        Keys keys{kNone};
        for (int row = lane; row < kRows; row += 32)
            if (sequence_of[row] > after) keys.sequence = min(keys.sequence, sequence_of[row]);
        keys.sequence = __reduce_min_sync(0xffffffffu, keys.sequence);
        for (int row = lane; row < kRows; row += 32)
            if (sequence_of[row] == keys.sequence) {
                keys.begin = min(keys.begin, seen[row].x);
                keys.end = max(keys.end, seen[row].y);
            }
        keys.begin = __reduce_min_sync(0xffffffffu, keys.begin);
        keys.end = __reduce_max_sync(0xffffffffu, keys.end);
        return keys;
    }
    template <int kD>
    __device__ int tiles() const {
        return (end - begin + kKeys<kD> - 1) / kKeys<kD>;
    }
};

/// The tiles [first, last) that a block takes of those of all its sequences, and how many blocks have some.
struct Share {
    int first, last, splits;
};

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
    constexpr int kM = Rows<kD>::kTiles, kRows = kPrefillRows<kD>, kThreads = kWarps * 32;
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

    for (int row = thread; row < kRows; row += kThreads) {
        const int place = place_of_row(a, kv_head, row_block * kRows + row), token = place / a.heads;
        const bool is_there = token < a.tokens;
        place_of[row] = is_there ? place : -1;
        seen[row] = is_there ? a.visible(token) : make_int2(0, 0);
        sequence_of[row] = seen[row].x < seen[row].y ? a.sequences[token] : -1;
    }
    __syncthreads();

    if (gridDim.z > 1) {
        int all = 0;
        for (Keys keys = Keys::next<kRows>(sequence_of, seen, -1); keys.sequence != Keys::kNone;
             keys = Keys::next<kRows>(sequence_of, seen, keys.sequence))
            all += keys.tiles<kD>();
        const int each = max(PrefillSplits::kMinKeys / kKeys<kD>, (all + int(gridDim.z) - 1) / int(gridDim.z));
        const int sharing = max(1, (all + each - 1) / each);
        if (blockIdx.z == 0 && thread == 0) parts.active[item] = sharing;
        if (int(blockIdx.z) >= sharing) return;
        if (thread == 0) *share = {int(blockIdx.z) * each, int(blockIdx.z + 1) * each, sharing};
    } else if (thread == 0) {
        *share = {0, Keys::kNone, 1};
    }

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
    Rows<kD> rows;
    int before = 0;  // tiles of the sequences in front
    __syncthreads();
    for (Keys keys = Keys::next<kRows>(sequence_of, seen, -1); keys.sequence != Keys::kNone;
         keys = Keys::next<kRows>(sequence_of, seen, keys.sequence)) {
        const int n_tiles = keys.tiles<kD>(), from = max(0, share->first - before),
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
            attend<T, C, kD>(a, q, k, k + kTile, all_seen, seen_of_tile, rows);
        }
        cp_async_wait<0>();
    }

#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll
        for (int r = 0; r < 2; ++r)
            for (int offset = 1; offset < 4; offset *= 2)
                rows.total[m][r] += __shfl_xor_sync(0xffffffffu, rows.total[m][r], offset);
    if (share->splits > 1) {
#pragma unroll
        for (int m = 0; m < kM; ++m)
#pragma unroll
            for (int r = 0; r < 2; ++r) {
                const int row = row_of(m, r);
                if (place_of[row] < 0) continue;
                const std::int64_t at = (std::int64_t(item) * gridDim.z + blockIdx.z) * kRows + row;
                if (part == 0) parts.states[at] = make_float2(rows.largest[m][r], rows.total[m][r]);
#pragma unroll
                for (int i = 0; i < kD / 16; ++i)
                    for (int j = 0; j < 2; ++j)
                        *reinterpret_cast<float2*>(parts.sums + at * kD + first_of_pair<C>(i, j)) =
                            sums_of_pair<C>(rows.sums[m], i, j, r);
            }
        return;
    }
    unsigned not_finite[kM][2];  // by lane, four to a row
#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll
        for (int r = 0; r < 2; ++r) {
            const int row = row_of(m, r), place = place_of[row];
            const float scale = seen[row].x < seen[row].y ? 1.0f / rows.total[m][r] : 0.0f;
            T* const out = static_cast<T*>(a.out.data) + std::int64_t(place) * kD;
            float zeros = 0.0f;
#pragma unroll
            for (int i = 0; i < kD / 16; ++i)
                for (int j = 0; j < 2; ++j) {
                    const float2 sums = sums_of_pair<C>(rows.sums[m], i, j, r);
                    const float2 means = make_float2(sums.x * scale, sums.y * scale);
                    zeros += means.x * 0.0f + means.y * 0.0f;
                    if (place >= 0)
                        *reinterpret_cast<unsigned*>(out + first_of_pair<C>(i, j)) = pack<T>(means.x, means.y);
                }
            not_finite[m][r] = __ballot_sync(0xffffffffu, place >= 0 && !(zeros == 0.0f));
        }
    unsigned any = 0;
    for (int i = 0; i < 2 * kM; ++i) any |= not_finite[i / 2][i % 2];
    if (any == 0) return;
    __syncwarp();
    for (int m = 0; m < kM; ++m)
        for (int row = 0; row < 16; ++row)
            if ((not_finite[m][row / 8] >> (row % 8 * 4) & 0xfu) != 0)
                attend_alone<T, C, kD>(a, place_of[(warp * kM + m) * 16 + row]);
}

template <class T, class C, int kD>
bool launch_prefill(const AttentionTensors& a, const PrefillSplits& splits, std::byte* memory, CudaBackend& backend) {
    constexpr std::size_t kBytes = shared_bytes<T, C, kD>();
    const auto kernel = attention_prefill_kernel<T, C, kD>;
    if (!backend.allow_shared_bytes(kernel, kBytes)) return false;
    const PrefillParts parts(memory, splits, kPrefillRows<kD>, kD);
    launch(kernel,
           {.name = "attention_prefill",
            .grid = {unsigned(a.kv_heads), unsigned(splits.items / a.kv_heads), unsigned(splits.count)},
            .block = kWarps * 32,
            .shared_bytes = kBytes,
            .stream = backend.stream(),
            .programmatic = true},
           a, parts);
    if (splits.count > 1) launch_attention_combine(a, splits, parts, backend);
    return true;
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
