// Matrix products of the size of a prefill: cuBLASLt on the device (gemm_cublaslt.cu), plain loops in the emulation.
#pragma once

#include "backends/cuda/cuda.h"
#include "base/dtype.h"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace vitro::VITRO_DEVICE {

/// c = a · bᵀ (+ bias) (+ residual), accumulated in fp32. All row-major in device memory, strides in elements a row.
struct GemmCall {
    DType input;   // of a and b: f32, f16 or bf16
    DType output;  // of c, bias and residual: f32 or the input's
    std::int64_t m, n, k;
    const void* a;                   // [m, k]
    const void* b;                   // [n, k], as weights are stored
    void* c;                         // [m, n]
    std::int64_t a_stride = 0;       // 0: k
    std::int64_t b_stride = 0;       // 0: k
    std::int64_t c_stride = 0;       // 0: n
    const void* bias = nullptr;      // [n], added to each row
    const void* residual = nullptr;  // [m, n] with c's stride; may be c itself
};

/// Not for two host threads at once.
class Gemm {
public:
    /// `workspace` is device memory, aligned to 256, used by every call; the caller keeps it alive and its calls in one
    /// stream. 32 MiB is what Hopper's fastest algorithms ask for.
    Gemm(void* workspace, std::size_t workspace_bytes);
    ~Gemm();
    Gemm(const Gemm&) = delete;
    Gemm& operator=(const Gemm&) = delete;

    /// Queues the product; may be captured. The algorithm of a shape is looked up once. Throws Error naming the shape.
    void run(const GemmCall& call, cudaStream_t stream);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace vitro::VITRO_DEVICE
