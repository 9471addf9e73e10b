// The GPU, real or emulated, as backend.h wants it, and what kernels ask of it.
#pragma once

#include "backends/backend.h"
#include "backends/cuda/gemm.h"
#include "backends/cuda/handles.h"
#include "backends/cuda/launch.h"

#include <map>
#include <memory>
#include <string>

namespace vitro::VITRO_DEVICE {

/// What can be switched off, to measure what it gives or to do without it where it does not work: the environment
/// variables VITRO_CUDA_GRAPHS, VITRO_CUDA_PDL, VITRO_CUDA_PREFETCH and VITRO_CUDA_WGMMA, each 0 or 1, the default.
/// Error for other values.
struct CudaSwitches {
    bool graphs;        // steps are recorded and replayed
    bool programmatic;  // a kernel starts before the one in front has ended (programmatic dependent launch)
    bool prefetch;      // idle blocks bring the next kernel's weights into L2
    bool wgmma;         // kernels of sm_90a alone, with products of four warps, where the device has them

    static CudaSwitches of_environment();
};

class Uploader;

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
    std::size_t reserve_bytes() const override;
    /// Large copies as upload_all has them.
    void upload(void* device, const void* host, std::size_t bytes) override;
    void download(void* host, const void* device, std::size_t bytes) override;
    /// Through pinned buffers, by several threads, each with a stream of its own. They are kept for the next copy.
    void upload_all(std::span<const Upload> uploads, const std::function<void(std::size_t)>& progress) override;
    void end_uploads() override;
    void synchronize() override;
    Buffer allocate_staging(std::size_t bytes, std::string_view what) override;
    void queue_upload(void* device, const void* staging, std::size_t bytes) override;
    void queue_copy(void* to, const void* from, std::size_t bytes) override;
    void queue_download(void* staging, const void* device, std::size_t bytes) override;
    /// A graph. Where one cannot be captured or replayed, steps run directly from then on, and a warning says why.
    std::unique_ptr<Recording> record(const std::function<void()>& queue) override;
    std::unique_ptr<Stopwatch> make_stopwatch(std::size_t points) override;
    /// Seconds that the device takes for the work that `queue` queues, with nothing else under way; by its events.
    double seconds_of(const std::function<void()>& queue);

    /// Everything is queued in this one stream.
    LaunchStream stream() { return {stream_, device_, &programmatic_}; }
    int device() const { return device_; }
    int multiprocessors() const { return multiprocessors_; }
    /// Dynamic shared memory that a block may have at most.
    std::size_t shared_bytes() const { return shared_bytes_; }
    /// Weights that the next step reads, for kernels that bring them into L2; none where that is switched off.
    std::span<const std::byte> prefetched(std::span<const std::byte> next_weights) const {
        return switches_.prefetch ? next_weights : std::span<const std::byte>{};
    }
    /// Whether kernels may multiply by groups of four warps (hopper.h).
    bool has_wgmma() const { return has_wgmma_; }
    /// Queues a product of the size of a prefill's: by the library, or by a kernel of its own where that refuses, which
    /// a warning tells.
    void multiply(const GemmCall& call);
    /// What computes multiply(), such as "cuBLASLt 13.1.0".
    std::string gemm_library() const;
    /// Lets `kernel`, always with the same number, be launched with so many dynamic bytes of shared memory. False where
    /// this device has not so many: the caller then has another kernel. The first time is not within record().
    template <class Kernel>
    bool allow_shared_bytes(Kernel* kernel, std::size_t bytes) {
        const auto [found, is_new] = allowed_.try_emplace(reinterpret_cast<const void*>(kernel));
        if (is_new) {
            const CurrentDevice current(device_);
            found->second = VITRO_DEVICE::allow_shared_bytes(kernel, bytes);
        }
        return found->second;
    }
    /// kCounters zeros in device memory, for blocks that count who is last. A kernel leaves them zero.
    static constexpr int kCounters = 1 << 16;
    unsigned* counters() const { return reinterpret_cast<unsigned*>(counters_.data()); }

private:
    friend class GraphRecording;
    bool is_usable() const;
    void record_no_more(const char* what, const std::string& why);
    Uploader& uploader();

    const int device_;
    CudaSwitches switches_;
    std::string description_;
    int multiprocessors_ = 1;
    bool has_wgmma_ = false;
    std::size_t shared_bytes_ = 0;
    OwnedStream stream_;
    ProgrammaticLaunches programmatic_;
    Buffer counters_;
    Buffer workspace_;
    std::unique_ptr<Gemm> gemm_;
    bool gemm_has_refused_ = false;
    std::unique_ptr<Uploader> uploader_;   // while there are large copies
    std::map<const void*, bool> allowed_;  // kernels that were given shared memory, or not
};

}  // namespace vitro::VITRO_DEVICE
