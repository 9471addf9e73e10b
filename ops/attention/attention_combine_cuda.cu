// The second half of attention of many tokens, where several blocks share keys: their parts become one result.
#include "ops/attention/attention_prefill_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

constexpr int kWarps = 4;

/// A warp: one row.
template <class T, class C, int kD>
__global__ void __launch_bounds__(kWarps * 32, 1)  // without the 1, ptxas spills what it calls
    attention_combine_kernel(const __grid_constant__ AttentionTensors a, const PrefillParts parts, int splits) {
    constexpr int kRows = kPrefillRows<kD>, kEach = (kD / 2 + 31) / 32;  // pairs of a lane
    const int lane = int(threadIdx.x) % 32, row = int(blockIdx.x) * kWarps + int(threadIdx.x) / 32;
    const int kv_head = int(blockIdx.y);
    allow_next_kernel();
    wait_for_previous_kernel();
    if (row >= a.tokens * (a.heads / a.kv_heads)) return;
    const int item = row / kRows * a.kv_heads + kv_head, active = parts.active[item];
    if (active == 1) return;

    const std::int64_t first = std::int64_t(item) * splits * kRows + row % kRows;
    const float2 state = lane < active ? parts.states[first + lane * kRows] : make_float2(-INFINITY, 0.0f);
    const float largest = reduce_warp(state.x, Maximum{}), scale = fabsf(a.log2_scale);
    const bool sees = largest != -INFINITY;
    const float weight = sees ? fast_exp2((state.x - largest) * scale) : 0.0f;
    const float total = reduce_warp(weight * state.y, Sum{});
    float2 sums[kEach] = {};
#pragma unroll 4
    for (int split = 0; split < active; ++split) {
        const float share = __shfl_sync(0xffffffffu, weight, split);
        const auto* const from = reinterpret_cast<const float2*>(parts.sums + (first + split * kRows) * kD);
#pragma unroll
        for (int k = 0; k < kEach; ++k)
            if (const int i = lane + 32 * k; i < kD / 2) {
                const float2 part = from[i];
                sums[k].x += share * part.x;
                sums[k].y += share * part.y;
            }
    }
    const int place = place_of_row(a, kv_head, row);
    auto* const out = reinterpret_cast<unsigned*>(static_cast<T*>(a.out.data) + std::int64_t(place) * kD);
    const float share = sees ? 1.0f / total : 0.0f;
    float zeros = 0.0f;
#pragma unroll
    for (int k = 0; k < kEach; ++k)
        if (const int i = lane + 32 * k; i < kD / 2) {
            const float2 means = make_float2(sums[k].x * share, sums[k].y * share);
            zeros += means.x * 0.0f + means.y * 0.0f;
            out[i] = pack<T>(means.x, means.y);
        }
    if (!__any_sync(0xffffffffu, !(zeros == 0.0f))) return;
    __syncwarp();
    attend_alone<T, C, kD>(a, place);
}

}  // namespace

void launch_attention_combine(const AttentionTensors& a, const PrefillSplits& splits, const PrefillParts& parts,
                              CudaBackend& backend) {
    const int rows = a.tokens * (a.heads / a.kv_heads);
    with_attention_types(a, [&]<class T, class C, int kD>() {
        launch(attention_combine_kernel<T, C, kD>,
               {.name = "attention_combine",
                .grid = {blocks_for(rows, kWarps), unsigned(a.kv_heads)},
                .block = kWarps * 32,
                .stream = backend.stream(),
                .programmatic = true},
               a, parts, splits.count);
        return true;
    });
}

}  // namespace vitro::VITRO_DEVICE
