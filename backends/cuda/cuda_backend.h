// The GPU, real or emulated, as backend.h wants it, and what kernels ask of it.
#pragma once

#include "backends/backend.h"
#include "backends/cuda/gemm.h"
#include "backends/cuda/launch.h"

#include <map>
#include <memory>
#include <string>

namespace vitro::VITRO_DEVICE {

class CudaBackend final : public Backend {
public:
    /// Device number `device`. Error when there is none.
    explicit CudaBackend(int device);
    ~CudaBackend() override;
    CudaBackend(const CudaBackend&) = delete;
    CudaBackend& operator=(const CudaBackend&) = delete;

    std::string_view name() const override;
    std::string description() const override { return description_; }
    std::size_t alignment() const override { return 256; }
    bool is_host() const override { return false; }
    Buffer allocate(std::size_t bytes, std::string_view what) override;
    std::optional<std::size_t> free_bytes() const override;
    std::optional<std::size_t> total_bytes() const override;
    void upload(void* device, const void* host, std::size_t bytes) override;
    void download(void* host, const void* device, std::size_t bytes) override;
    /// Through pinned buffers, by several threads, each with a stream of its own.
    void upload_all(std::span<const Upload> uploads, const std::function<void(std::size_t)>& progress) override;
    void synchronize() override;
    Buffer allocate_staging(std::size_t bytes, std::string_view what) override;
    void queue_upload(void* device, const void* staging, std::size_t bytes) override;
    void queue_copy(void* to, const void* from, std::size_t bytes) override;
    void queue_download(void* staging, const void* device, std::size_t bytes) override;
    std::unique_ptr<Recording> record(const std::function<void()>& queue) override;
    std::unique_ptr<Stopwatch> make_stopwatch(std::size_t points) override;
    /// Seconds that the device takes for the work that `queue` queues, with nothing else under way; by its events.
    double seconds_of(const std::function<void()>& queue);

    /// Everything is queued in this one stream.
    cudaStream_t stream() const { return stream_; }
    int multiprocessors() const { return multiprocessors_; }
    Gemm& gemm() { return *gemm_; }
    /// Lets `kernel`, always with the same number, be launched with so many dynamic bytes of shared memory. False where
    /// this device has not so many: the caller then has another kernel. The first time is not within record().
    template <class Kernel>
    bool allow_shared_bytes(Kernel* kernel, std::size_t bytes) {
        const auto [found, is_new] = allowed_.try_emplace(reinterpret_cast<const void*>(kernel));
        if (is_new) found->second = VITRO_DEVICE::allow_shared_bytes(kernel, bytes);
        return found->second;
    }
    /// kCounters zeros in device memory, for blocks that count who is last. A kernel leaves them zero.
    static constexpr int kCounters = 1 << 16;
    unsigned* counters() const { return reinterpret_cast<unsigned*>(counters_.data()); }

private:
    int device_ = 0;
    std::string description_;
    int multiprocessors_ = 1;
    cudaStream_t stream_ = nullptr;
    Buffer counters_;
    Buffer workspace_;
    std::unique_ptr<Gemm> gemm_;
    std::map<const void*, bool> allowed_;  // kernels that were given shared memory, or not
};

/// upload_all's work, on device `device`: see there.
void upload_in_parallel(int device, std::span<const Upload> uploads, const std::function<void(std::size_t)>& progress);

}  // namespace vitro::VITRO_DEVICE
