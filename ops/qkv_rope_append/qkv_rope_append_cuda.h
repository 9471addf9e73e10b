// Rope and the way of k and v to the cache as a kernel, for its op and for a projection of many tokens.
#pragma once

#include "ops/common/pages_cuda.h"
#include "ops/rope/rope_cuda.h"

namespace vitro::VITRO_DEVICE {

/// A kernel's argument; heads have d elements.
struct QkvHeads {
    Elements qkv;               // [T, (n_heads + 2 * n_kv_heads) * d]
    Elements q;                 // [T, n_heads, d]
    Elements k_cache, v_cache;  // [P, page, n_kv_heads, d]
    int n_heads, n_kv_heads, d;
};

/// Where the rows of a step stand.
struct QkvRows {
    const std::int32_t *positions, *sequences;  // [T]
    const std::int32_t* lengths;                // [S], for rope; null: all short
    DevicePages pages;
};

/// Tensors as QkvHeads has them. The kernel may start before the one in front has ended.
void launch_qkv_rope_append(const char* name, const Tensor& qkv, const Tensor& q, const Tensor& k_cache,
                            const Tensor& v_cache, const QkvRows& rows, const RopeAttributes& rope,
                            CudaBackend& backend);

}  // namespace vitro::VITRO_DEVICE
