// The GPU, real or emulated, as backend.h wants it, and what kernels ask of it.
#pragma once

#include "backends/backend.h"
#include "backends/cuda/gemm.h"

#include <memory>
#include <string>

namespace vitro::VITRO_DEVICE {

class CudaBackend final : public Backend {
public:
    /// Device number `device`. Error when there is none.
    explicit CudaBackend(int device);
    ~CudaBackend() override;

    std::string_view name() const override { return name_; }
    std::size_t alignment() const override { return 256; }
    bool is_host() const override { return false; }
    Buffer allocate(std::size_t bytes, std::string_view what) override;
    void upload(void* device, const void* host, std::size_t bytes) override;
    void download(void* host, const void* device, std::size_t bytes) override;
    void synchronize() override;

    /// Everything is queued in this one stream.
    cudaStream_t stream() const { return stream_; }
    int multiprocessors() const { return multiprocessors_; }
    Gemm& gemm() { return *gemm_; }
    /// kCounters zeros in device memory, for blocks that count who is last. A kernel leaves them zero.
    static constexpr int kCounters = 1 << 16;
    unsigned* counters() const { return reinterpret_cast<unsigned*>(counters_.data()); }

private:
    std::string name_;
    int device_ = 0;
    int multiprocessors_ = 1;
    cudaStream_t stream_ = nullptr;
    Buffer counters_;
    Buffer workspace_;
    std::unique_ptr<Gemm> gemm_;
};

}  // namespace vitro::VITRO_DEVICE
