// Attention of single tokens, as decode steps have them: the keys of each token are shared among blocks (split-KV,
// Flash-Decoding: Dao et al. 2023), and the last block that ends puts the parts together.
#include "ops/attention/attention_decode_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

constexpr int kWarps = 4, kKeys = 16;  // of a warp's tile
constexpr int kMinKeys = kWarps * kKeys;

template <int kD>
inline constexpr int kStages = kD > 96 ? 2 : 3;

/// Blocks on a multiprocessor at once, for which registers and shared memory last.
constexpr int resident_blocks(std::int64_t d) { return d <= 64 ? 4 : d <= 80 ? 3 : d <= 128 ? 2 : 1; }

template <class C, int kD>
constexpr std::size_t shared_bytes() {
    return std::size_t(kWarps) * kStages<kD> * 2 * kKeys * TileRow<C, kD>::kStride * sizeof(C);
}

/// The keys of a token that block `split` of `splits` takes; none: another one does the work.
struct Share {
    int begin, end, active;  // active: blocks that have keys, at least one

    __device__ Share(int2 seen, int split, int splits) {
        const int count = max(0, seen.y - seen.x);
        int each = (count + splits - 1) / splits;
        each = max(kMinKeys, (each + kMinKeys - 1) / kMinKeys * kMinKeys);
        active = max(1, (count + each - 1) / each);
        begin = min(seen.y, seen.x + split * each);
        end = min(seen.y, begin + each);
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

/// Block (split, kv head and group of its heads, token): up to kDecodeHeads heads that read the same keys. Each warp
/// takes tiles of 16 keys, with softmax state of its own; the heads are rows 0 … 7 of the tensor core's 16. The weights
/// are split into two values of T, of which the smaller ones fill rows 8 … 15, so that nothing is lost by rounding
/// them. One counter for each token and item is zero, and is again at the end.
template <class T, class C, int kD>
__global__ void __launch_bounds__(kWarps * 32, resident_blocks(kD))
    attention_decode_kernel(const AttentionTensors a, float* parts, unsigned* counters, const NextWeights next) {
    using Row = TileRow<C, kD>;
    constexpr int kTile = kKeys * Row::kStride, kStage = 2 * kTile;
    constexpr bool kQInShared = kD > 128;  // registers do not last
    VITRO_SHARED(unsigned, arrived, 1);
    VITRO_SHARED(unsigned, q_shared, kQInShared ? kD * 4 : 1);  // [kD / 16][2][lane]
    const int thread = int(threadIdx.x), warp = thread / 32, lane = thread % 32, group = lane / 4, part = lane % 4;
    const int heads_per_key = a.heads / a.kv_heads, kv_head = int(blockIdx.y) % a.kv_heads;
    const int first_head = int(blockIdx.y) / a.kv_heads * kDecodeHeads;  // among those of the kv head
    const int heads = min(kDecodeHeads, heads_per_key - first_head);
    const int token = int(blockIdx.z), head = kv_head * heads_per_key + first_head;
    allow_next_kernel();
    wait_for_previous_kernel();
    const int2 seen = a.visible(token);
    const Share share(seen, int(blockIdx.x), int(gridDim.x));
    if (int(blockIdx.x) >= share.active) {
        next.prefetch(share.active);
        return;
    }

    C* const ring = dynamic_shared<C>() + warp * kStages<kD> * kStage;
    const int sequence = a.sequences[token];
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
    int rows = 0;
    for (int tile = 0; tile < kStages<kD> - 1; ++tile) copy(tile, look_up(tile));
    rows = look_up(kStages<kD> - 1);

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
    const auto q = [&](int i, std::uint32_t(&out)[4]) {
        for (int j = 0; j < 2; ++j) {
            out[2 * j] = kQInShared ? q_shared[(2 * i + j) * 32 + lane] : q_held[kQInShared ? 0 : i][j];
            out[2 * j + 1] = 0u;
        }
    };
    float sums[kD / 8][4] = {}, largest = -INFINITY, total = 0.0f;
    for (int tile = 0; tile < tiles; ++tile) {
        cp_async_wait<kStages<kD> - 2>();
        __syncwarp();
        copy(tile + kStages<kD> - 1, rows);
        rows = look_up(tile + kStages<kD>);
        const C* const k = ring + tile % kStages<kD> * kStage;
        float scores[2][4] = {};
        score_keys<T, C, kD>(scores, q, k);
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
        add_values<T, C, kD>(sums, {first.high, first.low, second.high, second.low}, k + kTile);
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
    if (share.active == 1) {
        for (int i = thread; i < heads * kD; i += kWarps * 32)
            out[i] =
                from_float<T>(mean_of_parts<kD>(warp_parts + i / kD * kSharedPart<kD>, kWarps, kWarpStride, i % kD));
        return;
    }
    // This block's part, [token, y][split][heads of a block][kPart]: the warps' on one scale.
    const int part_stride = min(kDecodeHeads, heads_per_key) * kPart<kD>;
    const int item = token * int(gridDim.y) + int(blockIdx.y);
    float* const item_parts = parts + std::int64_t(item) * gridDim.x * part_stride;
    for (int i = thread; i < heads * kPart<kD>; i += kWarps * 32) {
        const int h = i / kPart<kD>, element = i % kPart<kD>;
        const float* from = warp_parts + h * kSharedPart<kD>;
        float high = -INFINITY, sum = 0.0f;
        for (int w = 0; w < kWarps; ++w) high = fmaxf(high, from[w * kWarpStride + kD]);
        for (int w = 0; w < kWarps; ++w)
            sum += fast_exp2(from[w * kWarpStride + kD] - high) * from[w * kWarpStride + element];
        item_parts[int(blockIdx.x) * part_stride + i] = element == kD ? high : sum;
    }
    __syncthreads();
    if (thread == 0) *arrived = add_acquire_release(counters + item, 1u);
    __syncthreads();
    if (*arrived != unsigned(share.active - 1)) return;
    for (int i = thread; i < heads * kD; i += kWarps * 32)
        out[i] = from_float<T>(mean_of_parts<kD>(item_parts + i / kD * kPart<kD>, share.active, part_stride, i % kD));
    if (thread == 0) counters[item] = 0;
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
            .grid = {unsigned(splits.count), unsigned(splits.items), unsigned(a.tokens)},
            .block = kWarps * 32,
            .shared_bytes = kBytes,
            .stream = backend.stream(),
            .programmatic = true},
           a, parts, backend.counters(), next);
    return true;
}

}  // namespace

DecodeSplits::DecodeSplits(std::int64_t tokens, std::int64_t heads, std::int64_t kv_heads, std::int64_t d,
                           std::int64_t most_keys, int multiprocessors) {
    const std::int64_t heads_per_key = heads / kv_heads;
    items = kernel_int(kv_heads * ((heads_per_key + kDecodeHeads - 1) / kDecodeHeads));
    const std::int64_t resident = multiprocessors * resident_blocks(d);
    const std::int64_t all = std::max<std::int64_t>(1, tokens * items), most = most_keys / kMinKeys;
    count = all > CudaBackend::kCounters ? 1 : kernel_int(std::max<std::int64_t>(1, std::min(resident / all, most)));
    if (most > 1)
        most_bytes =
            sizeof(float) * std::size_t(resident * std::min<std::int64_t>(heads_per_key, kDecodeHeads) * (d + 2));
}

bool launch_attention_decode(const AttentionTensors& a, const DecodeSplits& splits, float* parts,
                             const NextWeights& next, CudaBackend& backend) {
    return with_attention_types(
        a, [&]<class T, class C, int kD>() { return launch_decode<T, C, kD>(a, splits, parts, next, backend); });
}

}  // namespace vitro::VITRO_DEVICE
