// Attention of single tokens, as decode steps have them: the keys of each token are shared among blocks (split-KV,
// Flash-Decoding: Dao et al. 2023), and the last block that ends puts the parts together.
#include "ops/attention/attention_decode_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

constexpr int kWarps = 4, kKeys = 16;  // of a warp's tile
constexpr int kMinKeys = kWarps * kKeys;
static_assert(kMinKeys == kDecodeKeys);

template <int kD>
inline constexpr int kStages = kD > 96 ? 2 : 3;

/// Blocks on a multiprocessor at once, for which registers and shared memory last.
constexpr int resident_blocks(std::int64_t d) { return d <= 64 ? 4 : d <= 80 ? 3 : d <= 128 ? 2 : 1; }

template <class C, int kD>
constexpr std::size_t shared_bytes() {
    return std::size_t(kWarps) * kStages<kD> * 2 * kKeys * TileRow<C, kD>::kStride * sizeof(C);
}

/// The token and its keys [begin, end) that a block takes. Blocks go by tokens: each has as many as its keys need.
struct Share {
    int token = 0, split = 0, splits = 1;  // of the token's blocks
    int begin = 0, end = 0;
    int active;  // blocks that have a token

    /// All lanes of a warp call together.
    __device__ Share(const AttentionTensors& a, int ways) : active(int(gridDim.x)) {
        const int slot = int(blockIdx.x);
        if (ways == 0) {
            take(a.visible(token = slot));
        } else if (a.tokens == 1) {
            const int2 seen = a.visible(0);
            splits = active = splits_of(seen, keys_of_block(keys_of(seen), 1, ways));
            split = slot;
            if (slot < active) take(seen);
        } else {
            find(a, slot, ways);
        }
    }

private:
    __device__ static int rounded(int keys) { return max(kMinKeys, (keys + kMinKeys - 1) / kMinKeys * kMinKeys); }
    __device__ static int keys_of(int2 seen) { return max(0, seen.y - seen.x); }
    /// The most keys that a block takes, where the tokens see `all` together.
    __device__ static int keys_of_block(int all, int tokens, int ways) {
        const int divisor = DecodeSplits::divisor(tokens, ways);
        return rounded((all + divisor - 1) / divisor);
    }
    __device__ static int splits_of(int2 seen, int each) { return max(1, (keys_of(seen) + each - 1) / each); }
    __device__ void take(int2 seen) {
        const int each = rounded((keys_of(seen) + splits - 1) / splits);
        begin = min(seen.y, seen.x + split * each);
        end = min(seen.y, begin + each);
    }

    /// The token whose blocks `slot` is among. A lane looks at each 32nd token.
    __device__ void find(const AttentionTensors& a, int slot, int ways) {
        constexpr int kRounds = int(DecodeSplits::kMostTokens) / 32;
        const int lane = int(threadIdx.x) % 32;
        int2 seen[kRounds];
        int all = 0;
#pragma unroll
        for (int i = 0; i < kRounds; ++i) {
            seen[i] = 32 * i + lane < a.tokens ? a.visible(32 * i + lane) : make_int2(0, 0);
            all += keys_of(seen[i]);
        }
        const int each = keys_of_block(__reduce_add_sync(0xffffffffu, all), a.tokens, ways);
        active = 0;
#pragma unroll
        for (int i = 0; i < kRounds; ++i) {
            if (32 * i >= a.tokens) break;
            const int count = 32 * i + lane < a.tokens ? splits_of(seen[i], each) : 0;
            int last = active + count;  // one past the token's slots
            for (int offset = 1; offset < 32; offset *= 2) {
                const int before = __shfl_up_sync(0xffffffffu, last, offset);
                if (lane >= offset) last += before - active;
            }
            const int first = last - count;
            const unsigned found = __ballot_sync(0xffffffffu, first <= slot && slot < last);
            if (found != 0) {
                const int source = __ffs(int(found)) - 1;
                token = 32 * i + source;
                split = slot - __shfl_sync(0xffffffffu, first, source);
                splits = __shfl_sync(0xffffffffu, count, source);
                take(make_int2(__shfl_sync(0xffffffffu, seen[i].x, source),
                               __shfl_sync(0xffffffffu, seen[i].y, source)));
            }
            active = __shfl_sync(0xffffffffu, last, 31);
        }
    }
};

/// A part of a head's result: kD sums of values weighted by exp2(score - largest), largest, and the sum of weights. In
/// shared memory parts are so far apart that rows of sums, written by a warp, meet other banks.
template <int kD>
inline constexpr int kPart = kD + 2;
template <int kD>
inline constexpr int kSharedPart = kD + 8;

/// out = the mean over parts p = 0 … n - 1 of one head, `stride` floats apart.
template <int kD>
__device__ __forceinline__ float mean_of_parts(const float* parts, int n, int stride, int element) {
    float largest = -INFINITY, total = 0.0f, sum = 0.0f;
    for (int p = 0; p < n; ++p) largest = fmaxf(largest, parts[p * stride + kD]);
    if (largest == -INFINITY) return 0.0f;
    for (int p = 0; p < n; ++p) {
        const float weight = fast_exp2(parts[p * stride + kD] - largest);
        total += weight * parts[p * stride + kD + 1];
        sum += weight * parts[p * stride + element];
    }
    return sum / total;
}

/// Block (slot, kv head and group of its heads), a slot being a token and a part of its keys: up to kDecodeHeads heads
/// that read the same keys. Each warp takes tiles of 16 keys, with softmax state of its own; the heads are rows 0 … 7
/// of the tensor core's 16. The weights are split into two values of T, of which the smaller ones fill rows 8 … 15, so
/// that nothing is lost by rounding them. One counter for each token and item is zero, and is again at the end.
template <class T, class C, int kD>
__global__ void __launch_bounds__(kWarps * 32, resident_blocks(kD))
    attention_decode_kernel(const AttentionTensors a, int ways, float* parts, unsigned* counters,
                            const NextWeights next) {
    using Row = TileRow<C, kD>;
    constexpr int kTile = kKeys * Row::kStride, kStage = 2 * kTile;
    constexpr bool kQInShared = kD > 128;  // registers do not last
    VITRO_SHARED(unsigned, arrived, 1);
    VITRO_SHARED(unsigned, q_shared, kQInShared ? kD * 4 : 1);  // [kD / 16][2][lane]
    const int thread = int(threadIdx.x), warp = thread / 32, lane = thread % 32, group = lane / 4, part = lane % 4;
    const int heads_per_key = a.heads / a.kv_heads, kv_head = int(blockIdx.y) % a.kv_heads;
    const int first_head = int(blockIdx.y) / a.kv_heads * kDecodeHeads;  // among those of the kv head
    const int heads = min(kDecodeHeads, heads_per_key - first_head);
    const int head = kv_head * heads_per_key + first_head;
    allow_next_kernel();
    if (!a.reads_early) wait_for_previous_kernel();
    const Share share(a, ways);
    // For the next weights; else the blocks without keys do.
    const bool asks_ahead = share.active >= min(ways, int(gridDim.x));
    if (int(blockIdx.x) >= share.active) {
        if (!asks_ahead) next.prefetch(share.active, int(gridDim.x));
        if (a.reads_early) wait_for_previous_kernel();
        return;
    }

    C* const ring = dynamic_shared<C>() + warp * kStages<kD> * kStage;
    const int token = share.token, sequence = a.sequences[token];
    const int tiles = max(0, (share.end - share.begin - warp * kKeys + kMinKeys - 1) / kMinKeys);
    const auto tile_begin = [&](int tile) { return share.begin + (warp + kWarps * tile) * kKeys; };
    const auto look_up = [&](int tile) {  // lane's row of the caches
        const int position = tile_begin(tile) + lane % kKeys;
        return position < share.end ? int(a.pages.row(sequence, position)) : 0;
    };
    const auto copy = [&](int tile, int rows) {
        if (tile < tiles) {
            C* const to = ring + tile % kStages<kD> * kStage;
#pragma unroll
            for (int i = 0; i < (kKeys * Row::kChunks + 31) / 32; ++i) {
                const Row mine(lane + 32 * i);
                const int row = __shfl_sync(0xffffffffu, rows, mine.key);
                if (kKeys * Row::kChunks % 32 == 0 || mine.key < kKeys)
                    mine.copy(a, kv_head, row, tile_begin(tile) + mine.key < share.end, to, to + kTile);
            }
        }
        cp_async_commit();
    };
    int copied = 0;
    if (a.reads_early) {
        const int first_new = a.first_new(sequence);
        for (; copied < kStages<kD> - 1 && min(tile_begin(copied) + kKeys, share.end) <= first_new; ++copied)
            copy(copied, look_up(copied));
        wait_for_previous_kernel();
    }
    for (; copied < kStages<kD> - 1; ++copied) copy(copied, look_up(copied));
    if (asks_ahead && tiles < kStages<kD>) next.prefetch(0, share.active);
    int rows = look_up(kStages<kD> - 1);

    unsigned q_held[kQInShared ? 1 : kD / 16][2];  // rows 8 … 15 are zeros
    {
        const T* from = static_cast<const T*>(a.q.data) + (std::int64_t(token) * a.heads + head + group) * kD;
#pragma unroll
        for (int i = 0; i < kD / 16; ++i)
            for (int j = 0; j < 2; ++j) {
                if (kQInShared && i % kWarps != warp) continue;
                const unsigned pair =
                    group < heads ? *reinterpret_cast<const unsigned*>(from + first_of_pair<C>(i, j)) : 0u;
                if constexpr (kQInShared)
                    q_shared[(2 * i + j) * 32 + lane] = pair;
                else
                    q_held[i][j] = pair;
            }
    }
    if constexpr (kQInShared) __syncthreads();
    const auto q = [&](int i, int, std::uint32_t(&out)[4]) {
        for (int j = 0; j < 2; ++j) {
            out[2 * j] = kQInShared ? q_shared[(2 * i + j) * 32 + lane] : q_held[kQInShared ? 0 : i][j];
            out[2 * j + 1] = 0u;
        }
    };
    float all_sums[1][kD / 8][4] = {}, largest = -INFINITY, total = 0.0f;
    auto& sums = all_sums[0];
    for (int tile = 0; tile < tiles; ++tile) {
        cp_async_wait<kStages<kD> - 2>();
        __syncwarp();
        copy(tile + kStages<kD> - 1, rows);
        if (asks_ahead && tile + kStages<kD> == tiles) next.prefetch(0, share.active);
        rows = look_up(tile + kStages<kD>);
        const C* const k = ring + tile % kStages<kD> * kStage;
        float products[1][1][2][4] = {};
        score_keys<T, C, kD>(products, q, k);
        auto& scores = products[0][0];
        if (a.cap != 0.0f)
            for (int i = 0; i < 4; ++i) scores[i / 2][i % 2] = a.held(scores[i / 2][i % 2]);
        const int left = share.end - tile_begin(tile) - 2 * part;  // keys from this lane's first one on
        float weights[4], high = fmaxf(largest, kLeastScore);
        for (int i = 0; i < 4; ++i) {
            weights[i] = scores[i / 2][i % 2] * a.log2_scale;
            if (i / 2 * 8 + i % 2 >= left) weights[i] = -INFINITY;
            high = fmaxf(high, weights[i]);
        }
        for (int offset = 1; offset < 4; offset *= 2) high = fmaxf(high, __shfl_xor_sync(0xffffffffu, high, offset));
        const float shrink = fast_exp2(largest - high);
        largest = high;
        total *= shrink;
        for (int i = 0; i < 4; ++i) {
            weights[i] = fast_exp2(weights[i] - high);
            total += weights[i];
        }
#pragma unroll
        for (int i = 0; i < kD / 8; ++i)
            for (int j = 0; j < 4; ++j) sums[i][j] *= shrink;
        const SplitPair first = split<T>(weights[0], weights[1]), second = split<T>(weights[2], weights[3]);
        add_values<T, C, kD>(all_sums, {{first.high, first.low, second.high, second.low}}, k + kTile);
    }
    cp_async_wait<0>();
    for (int offset = 1; offset < 4; offset *= 2) total += __shfl_xor_sync(0xffffffffu, total, offset);

    // The warps' parts, [kWarps][kDecodeHeads][kSharedPart], where the ring was.
    __syncthreads();
    float* const warp_parts = dynamic_shared<float>();
    float* const mine = warp_parts + (warp * kDecodeHeads + group) * kSharedPart<kD>;
#pragma unroll
    for (int i = 0; i < kD / 16; ++i)
        for (int j = 0; j < 2; ++j) {
            const float2 high = sums_of_pair<C>(sums, i, j, 0), low = sums_of_pair<C>(sums, i, j, 1);
            *reinterpret_cast<float2*>(mine + first_of_pair<C>(i, j)) = make_float2(high.x + low.x, high.y + low.y);
        }
    if (part == 0) *reinterpret_cast<float2*>(mine + kD) = make_float2(largest, total);
    __syncthreads();

    constexpr int kWarpStride = kDecodeHeads * kSharedPart<kD>;
    T* const out = static_cast<T*>(a.out.data) + (std::int64_t(token) * a.heads + head) * kD;
    if (share.splits == 1) {
        for (int i = thread; i < heads * kD; i += kWarps * 32)
            out[i] =
                from_float<T>(mean_of_parts<kD>(warp_parts + i / kD * kSharedPart<kD>, kWarps, kWarpStride, i % kD));
        return;
    }
    // This block's part, [y][slot][heads of a block][kPart]: the warps' on one scale.
    const int part_stride = min(kDecodeHeads, heads_per_key) * kPart<kD>;
    unsigned* const counter = counters + token * int(gridDim.y) + int(blockIdx.y);
    float* const item_parts = parts + (std::int64_t(blockIdx.y) * gridDim.x + blockIdx.x - share.split) * part_stride;
    for (int i = thread; i < heads * kPart<kD>; i += kWarps * 32) {
        const int h = i / kPart<kD>, element = i % kPart<kD>;
        const float* from = warp_parts + h * kSharedPart<kD>;
        float high = -INFINITY, sum = 0.0f;
        for (int w = 0; w < kWarps; ++w) high = fmaxf(high, from[w * kWarpStride + kD]);
        for (int w = 0; w < kWarps; ++w)
            sum += fast_exp2(from[w * kWarpStride + kD] - high) * from[w * kWarpStride + element];
        item_parts[share.split * part_stride + i] = element == kD ? high : sum;
    }
    __syncthreads();
    if (thread == 0) *arrived = add_acquire_release(counter, 1u);
    __syncthreads();
    if (*arrived != unsigned(share.splits - 1)) return;
    for (int i = thread; i < heads * kD; i += kWarps * 32)
        out[i] = from_float<T>(mean_of_parts<kD>(item_parts + i / kD * kPart<kD>, share.splits, part_stride, i % kD));
    if (thread == 0) *counter = 0;
}

template <class T, class C, int kD>
bool launch_decode(const AttentionTensors& a, const DecodeSplits& splits, float* parts, const NextWeights& next,
                   CudaBackend& backend) {
    constexpr std::size_t kBytes = shared_bytes<C, kD>();
    static_assert(kBytes >= sizeof(float) * kWarps * kDecodeHeads * kSharedPart<kD>);
    const auto kernel = attention_decode_kernel<T, C, kD>;
    if (!backend.allow_shared_bytes(kernel, kBytes)) return false;
    launch(kernel,
           {.name = "attention_decode",
            .grid = {unsigned(splits.slots), unsigned(splits.items)},
            .block = kWarps * 32,
            .shared_bytes = kBytes,
            .stream = backend.stream(),
            .programmatic = true},
           a, splits.ways, parts, backend.counters(), next);
    return true;
}

}  // namespace

DecodeSplits::DecodeSplits(std::int64_t tokens, std::int64_t heads, std::int64_t kv_heads, std::int64_t d,
                           std::int64_t most_keys, int multiprocessors) {
    const std::int64_t heads_per_key = heads / kv_heads;
    items = kernel_int(kv_heads * ((heads_per_key + kDecodeHeads - 1) / kDecodeHeads));
    const std::int64_t at_once = multiprocessors * resident_blocks(d) / std::max(1, items),
                       most = std::max<std::int64_t>(1, (most_keys + kMinKeys - 1) / kMinKeys);  // of a token
    const auto slots_of = [&](std::int64_t n) {
        return std::min(n * most, n - 1 + divisor(kernel_int(n), kernel_int(at_once)));
    };
    const bool shares = at_once > 1 && most > 1 && tokens <= kMostTokens && tokens * items <= CudaBackend::kCounters;
    ways = shares ? kernel_int(at_once) : 0;
    slots = kernel_int(shares ? slots_of(tokens) : tokens);
    if (at_once > 1 && most > 1)
        most_bytes = sizeof(float) * std::size_t(items * slots_of(std::min(tokens, kMostTokens)) *
                                                 std::min<std::int64_t>(heads_per_key, kDecodeHeads) * (d + 2));
}

bool launch_attention_decode(const AttentionTensors& a, const DecodeSplits& splits, float* parts,
                             const NextWeights& next, CudaBackend& backend) {
    return with_attention_types(
        a, [&]<class T, class C, int kD>() { return launch_decode<T, C, kD>(a, splits, parts, next, backend); });
}

}  // namespace vitro::VITRO_DEVICE
