// Attention of many tokens on sm_90: FlashAttention-3 (Shah et al. 2024). Products of four warps (wgmma) read keys and
// values from shared memory; one group of warps brings them, two others work, each on 64 rows. The products of a tile
// of keys are under way while the weights of the next one are computed.
#include "backends/cuda/hopper.h"
#include "ops/attention/attention_rows_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

constexpr int kGroup = 128, kThreads = 3 * kGroup;  // the first one brings tiles
constexpr int kRows = 128;                          // of a block
constexpr int kSlots = 4;                           // tiles of keys and of values, in turn
constexpr int kUnderWay = 2;                        // of them that are asked for when one is handed on

/// Keys of a tile: as many as registers last for.
template <int kD>
inline constexpr int kKeys = kD > 96 ? 96 : 128;

/// A tile of keys or of values in shared memory: columns of rows that are swizzled, one column after the other.
template <int kD>
struct Tile {
    static constexpr Swizzle kSwizzle = kD % 64 == 0 ? Swizzle::rows_of_128 : Swizzle::rows_of_64;
    static constexpr int kRow = int(row_bytes(kSwizzle)), kChunks = kRow / 16, kColumn = kKeys<kD> * kRow;
    static constexpr int kColumns = 2 * kD / kRow, kBytes = kColumns * kColumn;

    /// Keys as b of their product with q: 16 elements of a head, from 16 i on.
    __device__ static std::uint64_t of_keys(const std::byte* tile, int i) {
        constexpr int kEach = kRow / 32;  // such 16 in a row
        return matrix_in_shared(tile + i / kEach * kColumn + i % kEach * 32, kColumn, 8 * kRow, kSwizzle);
    }
    /// Values as b of their product with weights: 16 keys, from 16 i on.
    __device__ static std::uint64_t of_values(const std::byte* tile, int i) {
        return matrix_in_shared(tile + i * 16 * kRow, kColumn, 8 * kRow, kSwizzle);
    }
};

/// Where tiles go, in turn: each slot is full when all warps that bring it say so, empty when all that read it do.
struct Ring {
    MemoryBarrier *full, *empty;
    std::byte* tiles;
    int next = 0;  // tile

    template <int kD>
    __device__ std::byte* tile(int i) const {
        return tiles + i % kSlots * Tile<kD>::kBytes;
    }
    __device__ void wait_until_empty(int i) const {
        if (i >= kSlots) wait_for_phase(empty + i % kSlots, unsigned(i / kSlots - 1) % 2);
    }
    __device__ void wait_until_full(int i) const { wait_for_phase(full + i % kSlots, unsigned(i / kSlots) % 2); }
    /// This thread's part of tile i has come; its whole warp calls.
    __device__ void hand_on(int i) const {
        fence_async_proxy();
        arrive_by_warp(full + i % kSlots);
    }
    /// A warp has read tile i.
    __device__ void release(int i) const { arrive_by_warp(empty + i % kSlots); }

    __device__ static void arrive_by_warp(MemoryBarrier* barrier) {
        __syncwarp();
        if (threadIdx.x % 32 == 0) arrive(barrier);
    }
};

/// What the group that brings tiles does with those [from, to) of a sequence. A warp has a quarter of a tile's keys.
template <class T, int kD>
__device__ __forceinline__ void bring(const AttentionTensors& a, int kv_head, const Keys& keys, int from, int to,
                                      Ring& ring) {
    using To = Tile<kD>;
    constexpr int kEach = kKeys<kD> / 4, kAtOnce = 32 / To::kChunks;  // keys of a warp, of a pass
    const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32, chunk = lane % To::kChunks;
    for (int tile = from; tile < to; ++tile) {
        const int first = keys.begin + tile * kKeys<kD> + kEach * warp, position = first + lane;
        const int own_row = position < keys.end ? int(a.pages.row(keys.sequence, position)) : 0;
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const T* const cache = static_cast<const T*>(half == 0 ? a.k_cache.data : a.v_cache.data);
            ring.wait_until_empty(ring.next);
            std::byte* const target = ring.tile<kD>(ring.next);
#pragma unroll 4
            for (int pass = 0; pass < kEach / kAtOnce; ++pass) {
                const int key = pass * kAtOnce + lane / To::kChunks;
                const std::int64_t row = __shfl_sync(0xffffffffu, own_row, key);
                const T* const at = cache + (row * a.kv_heads + kv_head) * kD + 8 * chunk;
                std::byte* const place = target + place_of_chunk<To::kSwizzle>(kEach * warp + key, chunk);
#pragma unroll
                for (int column = 0; column < To::kColumns; ++column)
                    cp_async<16>(place + column * To::kColumn, at + column * To::kRow / 2, first + key < keys.end);
            }
            cp_async_commit();
            if (ring.next >= kUnderWay) {
                cp_async_wait<kUnderWay>();
                ring.hand_on(ring.next - kUnderWay);
            }
            ++ring.next;
        }
    }
}

/// What a group that works does with its 64 rows and tiles [from, to) of a sequence; `seen_by` as of all its rows.
template <class T, int kD, class Q, class Seen>
__device__ __forceinline__ void work(const AttentionTensors& a, const Q& q, const Keys& keys, int from, int to,
                                     int2 seen_by, const Seen& seen, Ring& ring, Rows<kD, 1>& rows) {
    constexpr int kTiles = kKeys<kD> / 16;
    float scores[kTiles][1][2][4], shrink[1][2];
    std::uint32_t weights[kTiles][1][4];
    auto& flat_scores = reinterpret_cast<float(&)[kKeys<kD> / 2]>(scores);
    auto& flat_sums = reinterpret_cast<float(&)[kD / 2]>(rows.sums);
    const auto add_values_of = [&](int i) {
        ring.wait_until_full(i);
        fence_products();
#pragma unroll
        for (int j = 0; j < kTiles; ++j)
            multiply_group<T, true>(flat_sums, weights[j][0], Tile<kD>::of_values(ring.tile<kD>(i), j), true);
        commit_products();
    };
    const auto score_keys_of = [&](int i) {
        ring.wait_until_full(i);
        fence_products();
#pragma unroll
        for (int j = 0; j < kD / 16; ++j)
            multiply_group<T, false>(flat_scores, q[j], Tile<kD>::of_keys(ring.tile<kD>(i), j), j > 0);
        commit_products();
    };
    const auto weigh_keys = [&](int tile) {
        const int at = keys.begin + tile * kKeys<kD>;
        const auto seen_of_tile = [&](int, int r) {
            const int2 own = seen(r);
            return make_int2(own.x - at, own.y - at);
        };
        weigh(a, scores, at >= seen_by.x && at + kKeys<kD> <= seen_by.y, seen_of_tile, rows, shrink);
    };
    const auto end_tile = [&] {
        shrink_sums(rows, shrink);
#pragma unroll
        for (int i = 0; i < kTiles; ++i) pack_weights<T>(scores[i], weights[i]);
    };
    // Products with a tile's values are under way while the next tile's keys are weighed. The wait for them begins a
    // turn of the loop: behind the weights within one, ptxas moves it in front of them.
    const auto end_values_before = [&](int tile) {
        wait_for_products<0>();
        if (tile > from) ring.release(ring.next - 1);
        end_tile();
    };
    score_keys_of(ring.next);
    wait_for_products<0>();
    ring.release(ring.next);
    weigh_keys(from);
    for (int tile = from + 1; tile < to; ++tile) {
        end_values_before(tile - 1);
        ring.next += 2;
        score_keys_of(ring.next);
        add_values_of(ring.next - 1);
        wait_for_products<1>();
        ring.release(ring.next);
        weigh_keys(tile);
    }
    end_values_before(to - 1);
    ring.next += 2;
    add_values_of(ring.next - 1);
    wait_for_products<0>();
    ring.release(ring.next - 1);
}

/// A block: (kv head, rows, split), as attention_prefill_kernel has them.
template <class T, int kD>
__global__ void __launch_bounds__(kThreads, 1)
    attention_hopper_kernel(const __grid_constant__ AttentionTensors a, const PrefillParts parts) {
    VITRO_SHARED(int, sequence_of, kRows);
    VITRO_SHARED(int, place_of, kRows);  // -1: there is no such row
    VITRO_SHARED(int2, seen, kRows);
    VITRO_SHARED(Share, share, 1);
    VITRO_SHARED(MemoryBarrier, full, kSlots);
    VITRO_SHARED(MemoryBarrier, empty, kSlots);
    const int thread = int(threadIdx.x), lane = thread % 32, group = lane / 4;
    const int row_block = int(gridDim.y - 1 - blockIdx.y);  // the last tokens, which see most, begin
    const int kv_head = int(blockIdx.x), item = row_block * int(gridDim.x) + kv_head;
    allow_next_kernel();
    wait_for_previous_kernel();
    if (thread < kRows)
        find_row(a, kv_head, row_block * kRows + thread, place_of + thread, seen + thread, sequence_of + thread);
    if (thread == 0)
        for (int i = 0; i < kSlots; ++i) {
            init_barrier(full + i, kGroup / 32);
            init_barrier(empty + i, 2 * kGroup / 32);
        }
    __syncthreads();
    if (!take_share<kRows, kKeys<kD>>(sequence_of, seen, parts, item, share)) return;
    __syncthreads();

    Ring ring{full, empty, aligned_in_shared(dynamic_shared<std::byte>(), 8 * Tile<kD>::kRow)};
    int before = 0;  // tiles of the sequences in front
    const auto each_sequence = [&](auto&& body) {
        for (Keys keys = Keys::next<kRows>(sequence_of, seen, -1); keys.sequence != Keys::kNone;
             keys = Keys::next<kRows>(sequence_of, seen, keys.sequence)) {
            const int tiles = keys.tiles<kKeys<kD>>(), from = max(0, share->first - before),
                      to = min(tiles, share->last - before);
            before += tiles;
            if (from < to) body(keys, from, to);
        }
    };
    if (thread < kGroup) {
        keep_registers<56>();
        each_sequence([&](const Keys& keys, int from, int to) { bring<T, kD>(a, kv_head, keys, from, to, ring); });
        cp_async_wait<0>();
        for (int i = max(0, ring.next - kUnderWay); i < ring.next; ++i) ring.hand_on(i);
        return;
    }
    take_registers<224>();
    const int first_row = thread / kGroup * 64 - 64;  // of the group
    const auto row_of = [&](int, int r) { return first_row + thread % kGroup / 32 * 16 + group + 8 * r; };
    const unsigned sign = a.log2_scale < 0.0f ? 0x80008000u : 0u;
    std::uint32_t q[kD / 16][4];
#pragma unroll
    for (int i = 0; i < kD / 16; ++i)
        for (int j = 0; j < 4; ++j) {
            const int place = place_of[row_of(0, j % 2)];
            const T* const from =
                static_cast<const T*>(a.q.data) + std::int64_t(place) * kD + first_of_pair<T>(i, j / 2);
            q[i][j] = place >= 0 ? sign ^ *reinterpret_cast<const unsigned*>(from) : 0u;
        }
    Rows<kD, 1> rows;
    each_sequence([&](const Keys& keys, int from, int to) {
        const auto seen_of = [&](int row) { return sequence_of[row] == keys.sequence ? seen[row] : make_int2(0, 0); };
        const int2 one = seen_of(first_row + lane), other = seen_of(first_row + 32 + lane);
        const int2 by_all = make_int2(__reduce_max_sync(0xffffffffu, max(one.x, other.x)),
                                      __reduce_min_sync(0xffffffffu, min(one.y, other.y)));
        work<T, kD>(
            a, q, keys, from, to, by_all, [&](int r) { return seen_of(row_of(0, r)); }, ring, rows);
    });
    finish<T, T, kRows>(a, parts, item, share->splits, place_of, seen, row_of, rows);
}

template <class T, int kD>
bool launch_kernel(const AttentionTensors& a, const PrefillSplits& splits, std::byte* memory, CudaBackend& backend) {
    constexpr std::size_t kBytes = kSlots * Tile<kD>::kBytes + 8 * Tile<kD>::kRow;
    const auto kernel = attention_hopper_kernel<T, kD>;
    return launch_rows({.name = "attention_hopper", .block = kThreads, .shared_bytes = kBytes}, kernel, kRows, kD, a,
                       splits, memory, backend);
}

}  // namespace

bool launch_attention_hopper(const AttentionTensors& a, const PrefillSplits& splits, std::byte* parts,
                             CudaBackend& backend) {
    if (a.k_cache.dtype != a.q.dtype) return false;
    const auto with_size = [&]<class T>(T) {
        switch (a.d) {
            case 64:
                return launch_kernel<T, 64>(a, splits, parts, backend);
            case 96:
                return launch_kernel<T, 96>(a, splits, parts, backend);
            case 128:
                return launch_kernel<T, 128>(a, splits, parts, backend);
            default:
                return false;
        }
    };
    return a.q.dtype == DType::bf16 ? with_size(__nv_bfloat16{}) : with_size(__half{});
}

}  // namespace vitro::VITRO_DEVICE
