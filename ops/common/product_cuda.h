// A few rows times a weight matrix, normed before and finished at once: the products of a decode step, which take as
// long as the memory needs to read the weights.
#pragma once

#include "ops/common/resident_product_cuda.h"

namespace vitro::VITRO_DEVICE {

inline constexpr int kPlainTokens = 4;

/// The same of any dtypes and sizes, without tensor cores: a warp takes row i of both groups, four tokens at a time.
template <class Epilogue>
__global__ void plain_product_kernel(const Product p, bool wide, const __grid_constant__ Epilogue epilogue) {
    const int lane = int(threadIdx.x) % 32, token = int(blockIdx.y) * kPlainTokens;
    const RowGroups rows = epilogue.rows(int(blockIdx.x));
    const int i = int(threadIdx.x) / 32;
    allow_next_kernel();
    wait_for_previous_kernel();
    if (i >= max(rows.count[0], rows.count[1])) return;
    std::int64_t from[2];
    for (int r = 0; r < 2; ++r) from[r] = std::int64_t(min(rows.first[r] + i, p.n - 1)) * p.k;

    float sums[kPlainTokens][2] = {}, squares[kPlainTokens] = {};
    const int tokens = min(kPlainTokens, p.tokens - token);
    const auto add = [&](int k, auto count) {
        const auto a = load<count.value>(p.weight, from[0] + k), b = load<count.value>(p.weight, from[1] + k);
        Floats<count.value> by;
        if (p.norm.data) by = load<count.value>(p.norm, k);
#pragma unroll
        for (int t = 0; t < kPlainTokens; ++t) {
            if (t >= tokens) break;
            auto x = load<count.value>(p.x, std::int64_t(token + t) * p.k + k);
            for (int e = 0; e < count.value; ++e) {
                if (p.norm.data) {
                    squares[t] += x.at[e] * x.at[e];
                    x.at[e] *= by.at[e];
                }
                sums[t][0] += x.at[e] * a.at[e];
                sums[t][1] += x.at[e] * b.at[e];
            }
        }
    };
    if (wide)
        for (int k = lane * kWide; k < p.k; k += 32 * kWide) add(k, Count<kWide>{});
    else
        for (int k = lane; k < p.k; k += 32) add(k, Count<1>{});

    const float scales[2] = {p.scale_of(min(rows.first[0] + i, p.n - 1)), p.scale_of(min(rows.first[1] + i, p.n - 1))};
    float first = 0.0f, second = 0.0f;  // of token `lane`
#pragma unroll
    for (int t = 0; t < kPlainTokens; ++t) {
        if (t >= tokens) break;
        float all[2] = {reduce_warp(sums[t][0], Sum{}) * scales[0], reduce_warp(sums[t][1], Sum{}) * scales[1]};
        if (p.norm.data) {
            const float scale = 1.0f / sqrtf(reduce_warp(squares[t], Sum{}) / float(p.k) + p.eps);
            all[0] *= scale;
            all[1] *= scale;
        }
        if (lane == t) {
            first = all[0];
            second = all[1];
        }
    }
    if (lane >= tokens) return;
    const OutputRows output{rows, token + lane, i};
    epilogue.finish(output, epilogue.load(output), first, second);
}

/// Queues the product of at least one token with `units` blocks' rows.
template <class Epilogue>
void launch_product(const char* name, const Product& p, int units, const Epilogue& epilogue, CudaBackend& backend) {
    if (is_resident(p, backend) && launch_resident(name, p, units, epilogue, backend)) return;
    launch(plain_product_kernel<Epilogue>,
           {.name = name,
            .grid = {unsigned(units), blocks_for(p.tokens, kPlainTokens)},
            .block = 8 * 32,
            .stream = backend.stream(),
            .programmatic = true},
           p, is_aligned(p), epilogue);
}

}  // namespace vitro::VITRO_DEVICE
