// Matrix products of the size of a prefill: cuBLASLt on the device (gemm_cublaslt.cu), plain loops in the emulation.
#pragma once

#include "backends/cuda/cuda.h"
#include "base/dtype.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

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

    /// The same with the strides as numbers.
    GemmCall with_strides() const {
        GemmCall out = *this;
        if (a_stride == 0) out.a_stride = k;
        if (b_stride == 0) out.b_stride = k;
        if (c_stride == 0) out.c_stride = n;
        return out;
    }
    std::string description() const;  // for errors and warnings
};

/// The library's products. Not for two host threads at once.
class Gemm {
public:
    /// `workspace` is memory of the current device, aligned to 256, used by every call; the caller keeps it alive and
    /// its calls in one stream. 32 MiB is what Hopper's fastest algorithms ask for.
    Gemm(void* workspace, std::size_t workspace_bytes);
    ~Gemm();
    Gemm(const Gemm&) = delete;
    Gemm& operator=(const Gemm&) = delete;

    /// Queues the product on the current device; may be captured. The algorithms of a shape are looked up once and
    /// tried in order; the one that worked is the first to be tried the next time. Returns why there is none, and
    /// nothing is queued then; empty where all is well.
    std::string run(const GemmCall& call, cudaStream_t stream);

    /// The library and its version.
    std::string library() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// The same by a plain kernel, for what the library does not do: right, and far from fast.
void plain_gemm(const GemmCall& call, cudaStream_t stream);

}  // namespace vitro::VITRO_DEVICE
