// Kernels for hopper_test.cpp: a right one of each kind, and the same with one planted mistake.
#pragma once

#include "backends/cuda/hopper.h"

namespace vitro::VITRO_DEVICE {

inline constexpr int kRingStages = 2, kRingTile = 128;  // of floats, as many as threads

enum class RingMistake {
    none,
    barriers_not_ready,  // used before a barrier of the block that follows their making
    no_wait_for_full,    // reads a tile that nobody said is there
    no_wait_for_empty,   // copies over a tile that others read
    expects_too_little,  // bytes
    odd_size,            // of a copy
    leaves_a_copy,       // asks for a tile that nobody waits for
    wrong_parity,        // takes the phase before for the one under way
};
/// out[t] = sum of x[i, t] over `tiles` tiles i, which the copy engine brings.
template <RingMistake kMistake>
__global__ void sum_through_ring(const float* x, float* out, int tiles);

enum class GroupMistake {
    none,
    no_proxy_fence,     // stores what the tensor cores read, and does not hand it on
    no_product_fence,   // writes registers between products
    writes_sums_early,  // before the product is done
    overwrites_b,       // before the product is done
    writes_rows_early,  // of a, before the product is done
    leaves_a_product,   // that nobody waits for
    not_aligned,        // b's blocks of rows begin anywhere
    not_swizzled,       // its chunks stand where they would without
};
inline constexpr int kGroupDepth = 64;  // of b in shared memory at a time
/// c [64, kColumns] = a [64, k] · b by a group of four warps, b being [kColumns, k], or, column by column, [k,
/// kColumns]; T is __half or __nv_bfloat16. In 18 KiB of dynamic shared memory.
template <class T, int kColumns, Swizzle kSwizzle, bool kColumnByColumn, GroupMistake kMistake>
__global__ void multiply_by_group(const T* a, const T* b, float* c, int k);

enum class RegisterMistake {
    none,
    keeps_all,  // the group that needs few
    one_warp,   // of four asks
    takes_few,  // less than it has
};
/// One group of four warps gives registers to two.
template <RegisterMistake kMistake>
__global__ void share_registers();

/// Four tiles of a programmatic launch, the first one asked for before the wait for the kernel in front.
__global__ void copies_early(const float* x, float* out);

}  // namespace vitro::VITRO_DEVICE
