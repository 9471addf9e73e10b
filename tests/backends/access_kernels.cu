#include "tests/backends/access_kernels.h"

#include "backends/cuda/ptx.h"

namespace vitro::VITRO_DEVICE {

__global__ void copy_with_stride(const float* x, float* out, int stride) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    out[i] = x[i * unsigned(stride)];
}

__global__ void copy_vectors(const float4* x, float4* out) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    float4 values = x[i];
    values.x += 1.0f;
    out[i] = values;
}

__global__ void copy_some_lanes(const float* x, float* out, int first_idle) {
    if (int(threadIdx.x) < first_idle) out[threadIdx.x] = x[threadIdx.x];
}

__global__ void copy_first(const float* x, float* out) { out[threadIdx.x] = x[0]; }

__global__ void sum_eight(const float* x, float* out, bool apart) {
    float sum = 0.0f;
    for (unsigned k = 0; k < 8; ++k) sum += x[apart ? threadIdx.x + 32 * k : 8 * threadIdx.x + k];
    out[threadIdx.x] = sum;
}

__global__ void share_with_stride(float* out, int stride) {
    float* shared = dynamic_shared<float>();
    float* own = shared + threadIdx.x * unsigned(stride);
    *own = 1.0f;
    __syncwarp();
    out[threadIdx.x] = *own;
}

__global__ void share_vectors(float4* out, int stride) {
    float4* own = dynamic_shared<float4>() + threadIdx.x * unsigned(stride);
    *own = make_float4(1.0f, 2.0f, 3.0f, 4.0f);
    __syncwarp();
    out[threadIdx.x] = *own;
}

__global__ void add_to_one(int* out) {
    VITRO_SHARED(int, sum, 1);
    if (threadIdx.x == 0) *sum = 0;
    __syncwarp();
    atomicAdd(sum, 1);
    __syncwarp();
    if (threadIdx.x == 0) *out = *sum;
}

__global__ void load_padded_matrices(const uint4* x, unsigned* out, int row_bytes) {
    unsigned char* row = dynamic_shared<unsigned char>() + threadIdx.x * unsigned(row_bytes);
    cp_async<16>(row, x + threadIdx.x);
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
    std::uint32_t values[4];
    ldmatrix<4>(values, row);
    out[threadIdx.x] = values[0] + values[1] + values[2] + values[3];
}

}  // namespace vitro::VITRO_DEVICE
