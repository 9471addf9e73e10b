// The kernels of emulation_kernels.cu, as plain functions that can be launched.
#pragma once

#include "backends/cuda/cuda.h"

namespace vitro::VITRO_DEVICE {

// Right ones.
__global__ void copy_elements(const float* x, float* out, int n);
template <class T>
__global__ void rms_norm(const T* x, const T* weight, T* out, int width, float eps);  // a block a row
__global__ void fill_and_copy(const float* x, float* out);  // 8 numbers a thread, through dynamic shared memory
__global__ void count_votes(int* out);                      // 64 threads, 8 numbers
__global__ void shuffle_kinds(int* out);                    // 32 threads, 5 rows of 32
__global__ void histogram(const int* x, int n, int* bins, float* sum, int* largest);
template <class T>
__global__ void matmul_mma(const T* a, const T* b, float* c, int m, int n, int k);  // a [m, k], b [n, k], c [m, n]
__global__ void matmul_tf32(const float* a, const float* b, float* c, int k);       // a [16, k], b [8, k], c [16, 8]
__global__ void load_matrices(const unsigned short* x, unsigned* out);              // x [32, 8], out [2, 32, 4]
__global__ void copy_through_shared(const float* x, float* out, int n);
__global__ void pass_along(float* data, int rounds);             // warp 0 writes, the others read, by named barriers
__global__ void sum_of_grid(const float* x, float* out, int n);  // cooperative
__global__ void last_block_sums(const float* x, float* partial, unsigned* arrived, float* out);
__global__ void add_one(float* x, int n);
__global__ void double_after_wait(const float* x, float* out, int n);  // programmatic
__global__ void convert_types(const float* x, unsigned short* half, unsigned short* bfloat, unsigned char* fp8, int n);
__global__ void set_flag(unsigned* flag, float* data);  // block 0 waits for what block 1 sets

// Each with one mistake.
__global__ void writes_past_the_end(float* x, int n);
__global__ void prefetches_past_the_end(const float* x);  // the line of each thread's 4 bytes
__global__ void reads_misaligned(const float* x, float* out);
__global__ void shared_past_the_end(float* out);
__global__ void dynamic_past_the_end(float* out, int n);
__global__ void half_the_block_waits();
__global__ void waits_at_two_places();
__global__ void ends_before_the_barrier();
__global__ void lane_misses_the_shuffle(int* out);
__global__ void lanes_disagree_on_the_mask(int* out);
__global__ void lanes_disagree_on_the_operation(int* out);
__global__ void shuffles_from_outside_the_mask(int* out);
__global__ void reads_unwritten(float* out);
__global__ void reads_what_another_wrote(float* out);       // no barrier between write and read
__global__ void overwrites_what_another_reads(float* out);  // no barrier between read and write
__global__ void barrier_of_the_wrong_warps(float* out);     // a named barrier that leaves the reader out
__global__ void reads_without_sync_warp(float* out);
__global__ void misses_copy_wait(const float* x, float* out);
__global__ void misses_copy_wait_once(const float* x, float* out, int rounds);
__global__ void misses_barrier_after_copy(const float* x, float* out);
__global__ void reads_before_wait(const float* x, float* out, int n);  // programmatic
__global__ void never_waits(const float* x, float* out, int n);        // programmatic
__global__ void waits_for_nobody(unsigned* flag);
__global__ void some_blocks_skip_the_grid_barrier();

}  // namespace vitro::VITRO_DEVICE
