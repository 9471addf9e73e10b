// What a block of rows does in attention of many tokens, in whichever way its products are made: which keys it takes,
// the weights of a tile of keys, and the result. A warp's rows are in the order of mma's result.
#pragma once

#include "ops/attention/attention_prefill_cuda.h"

namespace vitro::VITRO_DEVICE {

/// What rows g and g + 8 of each of a warp's tiles have gathered, in the registers of mma's result.
template <int kD, int kTiles>
struct Rows {
    float sums[kTiles][kD / 8][4] = {};
    float largest[kTiles][2];     // product of q and k
    float total[kTiles][2] = {};  // this lane's part

    __device__ Rows() {
        for (auto& tile : largest) tile[0] = tile[1] = -INFINITY;
    }
};

/// Of scores [16 kTiles keys] of a tile the weights, in their place; `shrink` is what becomes of earlier sums of
/// values. `seen`(m, r), of row g + 8 r of tile m of rows, says which keys [x, y) of the tile the row sees, where not
/// all rows see all.
template <int kTiles, int kM, int kD, class Seen>
__device__ __forceinline__ void weigh(const AttentionTensors& a, float (&scores)[kTiles][kM][2][4], bool all_seen,
                                      const Seen& seen, Rows<kD, kM>& rows, float (&shrink)[kM][2]) {
    const int part = int(threadIdx.x) % 4;
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
                if (keys.x >= min(keys.y, 16 * kTiles) || keys.y <= 0) least[m][r] = -INFINITY;
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
            shrink[m][r] = fast_exp2(before * scale - shift);
            float total = rows.total[m][r] * shrink[m][r];
            rows.largest[m][r] = largest;
#pragma unroll
            for (int i = 0; i < kTiles * 4; ++i) {
                float& score = scores[i / 4][m][i / 2 % 2][2 * r + i % 2];
                score = fast_exp2(score * scale - shift);
                total += score;
            }
            rows.total[m][r] = total;
        }
}

template <int kD, int kM>
__device__ __forceinline__ void shrink_sums(Rows<kD, kM>& rows, const float (&shrink)[kM][2]) {
#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll
        for (int i = 0; i < kD / 8; ++i)
            for (int j = 0; j < 4; ++j) rows.sums[m][i][j] *= shrink[m][j / 2];
}

/// Weights of 16 keys as a of mma.
template <class T, int kM>
__device__ __forceinline__ void pack_weights(const float (&scores)[kM][2][4], std::uint32_t (&weights)[kM][4]) {
#pragma unroll
    for (int j = 0; j < 4 * kM; ++j) {
        const auto& of = scores[j / 4][j / 2 % 2];
        weights[j / 4][j % 4] = pack<T>(of[j % 2 * 2], of[j % 2 * 2 + 1]);
    }
}

/// Of row `row`: its place, or -1 where there is no such row, the keys that it sees, and of which sequence; -1: none.
__device__ __forceinline__ void find_row(const AttentionTensors& a, int kv_head, int row, int* place, int2* seen,
                                         int* sequence) {
    const int at = place_of_row(a, kv_head, row), token = at / a.heads;
    const bool is_there = token < a.tokens;
    *place = is_there ? at : -1;
    *seen = is_there ? a.visible(token) : make_int2(0, 0);
    *sequence = seen->x < seen->y ? a.sequences[token] : -1;
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
    template <int kKeys>
    __device__ int tiles() const {
        return (end - begin + kKeys - 1) / kKeys;
    }
};

/// The tiles [first, last) that a block takes of those of all its sequences, and how many blocks have some.
struct Share {
    int first, last, splits;
};

/// Sets `share` of the block (kv head, rows, split). False where there is nothing for it to do. All threads call.
template <int kRows, int kKeys>
__device__ __forceinline__ bool take_share(const int* sequence_of, const int2* seen, const PrefillParts& parts,
                                           int item, Share* share) {
    if (gridDim.z == 1) {
        if (threadIdx.x == 0) *share = {0, Keys::kNone, 1};
        return true;
    }
    int all = 0;
    for (Keys keys = Keys::next<kRows>(sequence_of, seen, -1); keys.sequence != Keys::kNone;
         keys = Keys::next<kRows>(sequence_of, seen, keys.sequence))
        all += keys.tiles<kKeys>();
    const int each = max(PrefillSplits::kMinKeys / kKeys, (all + int(gridDim.z) - 1) / int(gridDim.z));
    const int sharing = max(1, (all + each - 1) / each);
    if (blockIdx.z == 0 && threadIdx.x == 0) parts.active[item] = sharing;
    if (int(blockIdx.z) >= sharing) return false;
    if (threadIdx.x == 0) *share = {int(blockIdx.z) * each, int(blockIdx.z + 1) * each, sharing};
    return true;
}

/// Writes the result of a warp's rows, or the block's part of it where `splits` blocks share the keys. `row_of`(m, r)
/// is row g + 8 r of tile m among the block's kRows.
template <class T, class C, int kRows, int kD, int kM, class RowOf>
__device__ __forceinline__ void finish(const AttentionTensors& a, const PrefillParts& parts, int item, int splits,
                                       const int* place_of, const int2* seen, const RowOf& row_of, Rows<kD, kM>& rows) {
    const int group = int(threadIdx.x) % 32 / 4, part = int(threadIdx.x) % 4;
#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll
        for (int r = 0; r < 2; ++r)
            for (int offset = 1; offset < 4; offset *= 2)
                rows.total[m][r] += __shfl_xor_sync(0xffffffffu, rows.total[m][r], offset);
    if (splits > 1) {
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
                attend_alone<T, C, kD>(a, place_of[row_of(m, 0) - group + row]);
}

/// Queues a kernel of blocks (kv head, `rows` rows, split), whose name, threads and shared memory `how` has, and what
/// puts their parts together. False where the device has less shared memory.
template <class Kernel>
bool launch_rows(Launch how, Kernel kernel, int rows, int d, const AttentionTensors& a, const PrefillSplits& splits,
                 std::byte* memory, CudaBackend& backend) {
    if (!backend.allow_shared_bytes(kernel, how.shared_bytes)) return false;
    const PrefillParts parts(memory, splits, rows, d);
    how.grid = {unsigned(a.kv_heads), unsigned(splits.items / a.kv_heads), unsigned(splits.count)};
    how.stream = backend.stream();
    how.programmatic = true;
    launch(kernel, how, a, parts);
    if (splits.count > 1) launch_attention_combine(a, splits, parts, backend);
    return true;
}

}  // namespace vitro::VITRO_DEVICE
