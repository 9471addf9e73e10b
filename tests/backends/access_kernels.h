// Kernels of known access patterns for access_counts_test.cpp, good and bad ones. Each block has 32 threads.
#pragma once

#include "backends/cuda/launch.h"

namespace vitro::VITRO_DEVICE {

/// out[i] = x[i * stride].
__global__ void copy_with_stride(const float* x, float* out, int stride);
/// The same of 16-byte vectors, without stride.
__global__ void copy_vectors(const float4* x, float4* out);
/// Lanes from `first_idle` on do nothing.
__global__ void copy_some_lanes(const float* x, float* out, int first_idle);
/// All lanes read x[0].
__global__ void copy_first(const float* x, float* out);
/// Each lane sums 8 elements: neighbouring ones of its own, or those that lie 32 apart.
__global__ void sum_eight(const float* x, float* out, bool apart);

/// Lane i writes element i * stride of shared memory and reads it again.
__global__ void share_with_stride(float* out, int stride);
/// The same of 16-byte vectors.
__global__ void share_vectors(float4* out, int stride);
/// All lanes add to one element of shared memory.
__global__ void add_to_one(int* out);
/// By cp.async of 16 bytes to rows of `row_bytes` bytes, then one ldmatrix of four matrices.
__global__ void load_padded_matrices(const uint4* x, unsigned* out, int row_bytes);

}  // namespace vitro::VITRO_DEVICE
