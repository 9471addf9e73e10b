// Products of more rows than a decode step of few sequences has: up to 64 by tiles, more, as a prefill has them, in
// parts: the norm into scratch, the product by Gemm, the rest from scratch.
#pragma once

#include "base/checked.h"
#include "ops/common/blocks_cuda.h"
#include "ops/common/product_cuda.h"
#include "ops/common/tile_product_cuda.h"
#include "ops/rms_norm/rms_norm_cuda.h"

namespace vitro::VITRO_DEVICE {

inline constexpr std::size_t kScratchAlignment = 256;

/// Whether it wants scratch, for tiles or a Gemm. For the latter weights of f8e4m3 and of blocks become x's dtype
/// before; blocks that are not packed always do.
inline bool is_large_product(const Product& p, const CudaBackend& backend) {
    const DType weight = p.weight.dtype;
    if (is_block_quantized(weight)) return true;
    if (p.tokens > kResidentTokens) return p.x.dtype == weight || weight == DType::f8e4m3 || is_packed(weight);
    return takes_tensor_cores(p) && !is_resident(p, backend);
}

/// What stands in the scratch of a call.
struct LargeProductScratch {
    std::size_t normed = 0, weight = 0, result = 0;  // bytes, one behind the other

    LargeProductScratch(const Tensor& x, const Tensor& weights, bool norm, bool with_result) {
        const std::int64_t tokens = x.dim(0), n = weights.dim(0), k = x.dim(1);
        const auto bytes = [&](std::int64_t elements) {
            return round_up(static_cast<std::size_t>(bytes_of(x.dtype, elements)), kScratchAlignment);
        };
        if (norm) normed = bytes(tokens * k);
        if (weights.dtype != x.dtype) weight = bytes(n * k);
        if (with_result) result = bytes(tokens * n);
    }
    std::size_t all() const { return normed + weight + result; }
    /// For tiles or for the parts, up to p.tokens tokens.
    std::size_t any(const Product& p, int units, const CudaBackend& backend) const {
        return std::max(all(), takes_tensor_cores(p) ? tile_scratch(p, units, backend) : 0);
    }
};

/// out = x, elements of another dtype.
void launch_convert(const Elements& x, const Elements& out, std::int64_t elements, LaunchStream stream);

/// c [tokens, n] = z without its scale (+ bias) (+ residual), both of x's dtype where they are. c null: the result in
/// scratch, which is returned.
inline Elements launch_large_product(const Product& p, const LargeProductScratch& sizes, std::byte* scratch, void* c,
                                     const void* bias, const void* residual, CudaBackend& backend) {
    const void *a = p.x.data, *b = p.weight.data;
    if (p.norm.data != nullptr) {
        launch_rms_norm(p.x, p.norm, {scratch, p.x.dtype}, p.tokens, p.k, p.eps, is_aligned(p), backend.stream());
        a = scratch;
    }
    if (sizes.weight != 0) {
        std::byte* const weight = scratch + sizes.normed;
        if (p.weight.dtype == DType::f8e4m3)
            launch_convert(p.weight, {weight, p.x.dtype}, std::int64_t(p.n) * p.k, backend.stream());
        else
            launch_dequantize(p.weight, {weight, p.x.dtype}, p.n, p.k, backend.stream());
        b = weight;
    }
    if (c == nullptr) c = scratch + sizes.normed + sizes.weight;
    backend.multiply({.input = p.x.dtype,
                      .output = p.x.dtype,
                      .m = p.tokens,
                      .n = p.n,
                      .k = p.k,
                      .a = a,
                      .b = b,
                      .c = c,
                      .bias = bias,
                      .residual = residual});
    return {c, p.x.dtype};
}

/// The epilogue of sums that stand in memory, z [tokens, n]: a thread for row i of both groups.
template <class Epilogue>
__global__ void finish_product_kernel(Elements z, const Product p, int units,
                                      const __grid_constant__ Epilogue epilogue) {
    const int unit = int(blockIdx.y * blockDim.x + threadIdx.x) / 8;
    allow_next_kernel();
    wait_for_previous_kernel();
    if (unit >= units) return;
    const OutputRows output{epilogue.rows(unit), int(blockIdx.x), int(threadIdx.x) % 8};
    float sums[2] = {};
    for (int r = 0; r < 2; ++r)
        if (output.i < output.rows.count[r]) {
            const int row = output.rows.first[r] + output.i;
            sums[r] = load<1>(z, std::int64_t(output.token) * p.n + row).at[0] * p.scale_of(row);
        }
    if (output.i < max(output.rows.count[0], output.rows.count[1]))
        epilogue.finish(output, epilogue.load(output), sums[0], sums[1]);
}

template <class Epilogue>
void launch_finish(const char* name, const Elements& z, const Product& p, int units, const Epilogue& epilogue,
                   LaunchStream stream) {
    constexpr unsigned kThreads = 256;
    launch(finish_product_kernel<Epilogue>,
           {.name = name,
            .grid = {unsigned(p.tokens), blocks_for(std::int64_t(units) * 8, kThreads)},
            .block = kThreads,
            .stream = stream,
            .programmatic = true},
           z, p, units, epilogue);
}

}  // namespace vitro::VITRO_DEVICE
