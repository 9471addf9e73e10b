#include "backends/cuda/cuda_backend.h"

#include "backends/cuda/devices.h"
#include "backends/cuda/launch.h"
#include "backends/cuda/uploader.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace vitro::VITRO_DEVICE {
namespace {

#ifdef __CUDACC__
constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;
#else
constexpr std::size_t kWorkspaceBytes = 256;
#endif
constexpr std::size_t kReserveBytes = std::size_t{512} << 20;
constexpr int kFirstProgrammatic = 90;  // sm_90 begins to have programmatic launches

__global__ void empty_kernel() {}

/// The one compute capability with products of four warps (wgmma), and whether nvcc was told to compile for it: sm_90a.
constexpr int kWithWgmma = 90;
#if defined(__CUDACC__) && !defined(VITRO_CUDA_SM_90A)
constexpr bool kCompiledForWgmma = false;
#else
constexpr bool kCompiledForWgmma = true;
#endif

/// Error when this program's kernels are not compiled for the current device.
void check_kernels(const std::string& device, int compute_capability) {
    int blocks = 0;
    const cudaError_t status = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, empty_kernel, 32, 0);
    if (status == cudaSuccess) return;
    cudaGetLastError();
    fail("{}: the kernels were not compiled for sm_{}: build with -DVITRO_CUDA_ARCHITECTURES={} ({})", device,
         compute_capability, compute_capability, cudaGetErrorString(status));
}

bool switch_of_environment(const char* variable) {
    const char* const value = std::getenv(variable);
    const std::string_view text = value == nullptr ? "1" : value;
    if (text != "0" && text != "1") fail("{}: expected 0 or 1, found '{}'", variable, text);
    return text == "1";
}

/// A device that is there.
int checked_device(int device) {
    std::string why_none;
    const int count = count_devices(why_none);
    if (count == 0) fail("{}: {}", kDeviceName, why_none);
    if (device < 0 || device >= count)
        fail("{}:{}: expected a device in 0..{}, found {}", kDeviceName, device, count - 1, device);
    return device;
}

class EventStopwatch final : public Stopwatch {
public:
    EventStopwatch(std::size_t points, int device, cudaStream_t stream)
        : device_(device), stream_(stream), start_(make_event(device, cudaEventDefault)) {
        for (std::size_t i = 0; i < points; ++i) points_.push_back(make_event(device, cudaEventDefault));
    }

    void start() override {
        const CurrentDevice current(device_);
        check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
        check(cudaEventRecord(start_, stream_), "cudaEventRecord");
    }
    void mark(std::size_t i) override {
        const CurrentDevice current(device_);
        cudaStreamCaptureStatus status{};
        check(cudaStreamIsCapturing(stream_, &status), "cudaStreamIsCapturing");
        // An external event becomes a node of the recording, which records it anew at every replay.
        const unsigned flags =
            status == cudaStreamCaptureStatusActive ? cudaEventRecordExternal : cudaEventRecordDefault;
        check(cudaEventRecordWithFlags(points_[i], stream_, flags), "cudaEventRecordWithFlags");
    }
    double seconds(std::size_t i) const override {
        float milliseconds = 0;
        check(cudaEventElapsedTime(&milliseconds, start_, points_[i]), "cudaEventElapsedTime");
        return double(milliseconds) / 1000;
    }

private:
    const int device_;
    cudaStream_t stream_;
    OwnedEvent start_;
    std::vector<OwnedEvent> points_;
};

}  // namespace

/// A captured graph.
class GraphRecording final : public Recording {
public:
    GraphRecording(cudaGraph_t graph, CudaBackend& backend) : backend_(backend) {
        check(cudaGraphGetNodes(graph, nullptr, &size_), "cudaGraphGetNodes");
        executable_ = {backend.device_, "cudaGraphInstantiate",
                       [&](cudaGraphExec_t* executable) { return cudaGraphInstantiate(executable, graph); }};
        check(cudaGraphUpload(executable_, backend.stream_), "cudaGraphUpload");
    }

    bool replay() override {
        if (!backend_.switches_.graphs) return false;
        const CurrentDevice current(backend_.device_);
        const cudaError_t status = cudaGraphLaunch(executable_, backend_.stream_);
        if (status == cudaSuccess) return true;
        cudaGetLastError();
        // What an earlier kernel has broken is no matter of recordings.
        if (!backend_.is_usable()) check(status, "cudaGraphLaunch");
        backend_.record_no_more("replayed", cudaGetErrorString(status));
        return false;
    }
    std::size_t size() const override { return size_; }

private:
    CudaBackend& backend_;
    OwnedRecording executable_;
    std::size_t size_ = 0;
};

CudaSwitches CudaSwitches::of_environment() {
    return {.graphs = switch_of_environment("VITRO_CUDA_GRAPHS"),
            .programmatic = switch_of_environment("VITRO_CUDA_PDL"),
            .prefetch = switch_of_environment("VITRO_CUDA_PREFETCH"),
            .wgmma = switch_of_environment("VITRO_CUDA_WGMMA")};
}

int count_devices(std::string& why_none) {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaSuccess && count > 0) return count;
    why_none = fmt::format("no GPU that CUDA {} can use: {} ({})", kCudaVersion, cudaGetErrorString(status),
                           cudaGetErrorName(status));
    cudaGetLastError();  // it is told; later calls begin anew
    return 0;
}

DeviceFacts device_facts(int device) {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
    DeviceFacts facts{.name = properties.name,
                      .compute_capability = properties.major * 10 + properties.minor,
                      .multiprocessors = properties.multiProcessorCount,
                      .memory_bytes = properties.totalGlobalMem,
                      .l2_bytes = std::size_t(properties.l2CacheSize),
                      .memory_bus_bits = properties.memoryBusWidth};
    const CurrentDevice current(device);
    std::size_t total = 0;
    check(cudaMemGetInfo(&facts.free_bytes, &total), "cudaMemGetInfo");
    check(cudaDeviceGetAttribute(&facts.clock_khz, cudaDevAttrClockRate, device), "cudaDeviceGetAttribute");
    check(cudaDeviceGetAttribute(&facts.memory_clock_khz, cudaDevAttrMemoryClockRate, device),
          "cudaDeviceGetAttribute");
    check(cudaDriverGetVersion(&facts.driver_version), "cudaDriverGetVersion");
    check(cudaRuntimeGetVersion(&facts.runtime_version), "cudaRuntimeGetVersion");
    return facts;
}

double seconds_of(Backend& backend, const std::function<void()>& queue) {
    return static_cast<CudaBackend&>(backend).seconds_of(queue);
}

std::unique_ptr<Backend> make_backend(int device) { return std::make_unique<CudaBackend>(device); }

CudaBackend::CudaBackend(int device) : device_(checked_device(device)), switches_(CudaSwitches::of_environment()) {
    const CurrentDevice current(device_);
    const DeviceFacts facts = device_facts(device_);
    description_ = fmt::format("{}:{} ({})", kDeviceName, device_, facts.name);
    multiprocessors_ = facts.multiprocessors;
    int shared_bytes = 0;
    check(cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device_),
          "cudaDeviceGetAttribute");
    shared_bytes_ = std::size_t(shared_bytes);
    programmatic_.allowed = switches_.programmatic && facts.compute_capability >= kFirstProgrammatic;
    has_wgmma_ = switches_.wgmma && facts.compute_capability == kWithWgmma && kCompiledForWgmma;
    programmatic_.warn = [this](const std::string& text) { warn(text); };
    check_kernels(description_, facts.compute_capability);
    stream_ = make_stream(device_);
    counters_ = allocate(kCounters * sizeof(unsigned), "the kernels' counters");
    workspace_ = allocate(kWorkspaceBytes, "the workspace of matrix products");
    gemm_ = std::make_unique<Gemm>(workspace_.data(), workspace_.bytes());
}

CudaBackend::~CudaBackend() {
    on_device_quietly(device_, [this] { gemm_.reset(); });
}

std::string_view CudaBackend::name() const { return kDeviceName; }

Buffer CudaBackend::allocate(std::size_t bytes, std::string_view what) {
    const CurrentDevice current(device_);
    void* memory = nullptr;
    if (const cudaError_t status = cudaMalloc(&memory, bytes == 0 ? 1 : bytes); status != cudaSuccess) {
        cudaGetLastError();
        fail("{}: not enough memory for {}: {} bytes, {} are free ({})", description_, what, bytes,
             free_bytes().value_or(0), cudaGetErrorString(status));
    }
    count_allocated(bytes);
    Buffer buffer(memory, bytes, [device = device_](void* p) { on_device_quietly(device, [p] { cudaFree(p); }); });
    check(cudaMemsetAsync(memory, 0, bytes, stream_), "cudaMemsetAsync");
    synchronize();
    return buffer;
}

std::optional<std::size_t> CudaBackend::free_bytes() const {
    const CurrentDevice current(device_);
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    return free;
}

std::optional<std::size_t> CudaBackend::total_bytes() const {
    const CurrentDevice current(device_);
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    return total;
}

/// Code of kernels is loaded when they first run, recordings lie in device memory, and both are little beside a card's:
/// half a gigabyte, or a sixteenth of a small one.
std::size_t CudaBackend::reserve_bytes() const { return std::min(kReserveBytes, *total_bytes() / 16); }

Buffer CudaBackend::allocate_staging(std::size_t bytes, std::string_view what) {
    const CurrentDevice current(device_);
    void* memory = nullptr;
    const cudaError_t status = cudaHostAlloc(&memory, bytes == 0 ? 1 : bytes, cudaHostAllocDefault);
    if (status != cudaSuccess) {
        cudaGetLastError();
        fail("{}: not enough pinned host memory for {}: {} bytes ({})", description_, what, bytes,
             cudaGetErrorString(status));
    }
    std::memset(memory, 0, bytes);
    count_staging(bytes);
    // What is queued may still use it: cudaFree waits by itself, of cudaFreeHost it is not promised.
    return {memory, bytes, [device = device_, stream = cudaStream_t(stream_)](void* p) {
                on_device_quietly(device, [stream] { cudaStreamSynchronize(stream); });
                on_device_quietly(device, [p] { cudaFreeHost(p); });
            }};
}

void CudaBackend::upload(void* device, const void* host, std::size_t bytes) {
    if (bytes == 0) return;
    if (bytes >= Uploader::kLeast) {
        const Upload whole{device, host, bytes};
        upload_all({&whole, 1}, nullptr);
        return;
    }
    queue_upload(device, host, bytes);
    synchronize();
}

void CudaBackend::download(void* host, const void* device, std::size_t bytes) {
    if (bytes == 0) return;
    queue_download(host, device, bytes);
    synchronize();
}

void CudaBackend::queue_upload(void* device, const void* staging, std::size_t bytes) {
    const CurrentDevice current(device_);
    check(cudaMemcpyAsync(device, staging, bytes, cudaMemcpyHostToDevice, stream_), "cudaMemcpyAsync to the device");
}

void CudaBackend::queue_download(void* staging, const void* device, std::size_t bytes) {
    const CurrentDevice current(device_);
    check(cudaMemcpyAsync(staging, device, bytes, cudaMemcpyDeviceToHost, stream_), "cudaMemcpyAsync from the device");
}

void CudaBackend::queue_copy(void* to, const void* from, std::size_t bytes) {
    const CurrentDevice current(device_);
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "cudaMemcpyAsync within the device");
}

Uploader& CudaBackend::uploader() {
    if (uploader_ == nullptr) uploader_ = std::make_unique<Uploader>(device_);
    return *uploader_;
}

void CudaBackend::upload_all(std::span<const Upload> uploads, const std::function<void(std::size_t)>& progress) {
    synchronize();  // what is queued may still use that memory
    uploader().run(uploads, progress);
}

void CudaBackend::end_uploads() { uploader_.reset(); }

void CudaBackend::synchronize() {
    const CurrentDevice current(device_);
    check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
}

/// Whether work can still be queued: an error of a kernel stays, one of a call does not.
bool CudaBackend::is_usable() const {
    const cudaError_t status = cudaStreamQuery(stream_);
    return status == cudaSuccess || status == cudaErrorNotReady;
}

void CudaBackend::record_no_more(const char* what, const std::string& why) {
    switches_.graphs = false;
    warn(fmt::format("a step could not be {}: {}; steps run directly from now on, as with VITRO_CUDA_GRAPHS=0", what,
                     why));
}

std::unique_ptr<Recording> CudaBackend::record(const std::function<void()>& queue) {
    if (!switches_.graphs) return nullptr;
    const CurrentDevice current(device_);
    const auto end_capture = [this](cudaGraph_t* graph) { return cudaStreamEndCapture(stream_, graph); };
    std::string why;
    try {
        check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
        try {
            queue();
        } catch (const Error& error) {
            why = error.what();  // the direct run throws it, too, where it is not the capture's
        } catch (...) {
            OwnedGraph(device_, "cudaStreamEndCapture", end_capture);
            throw;
        }
        const OwnedGraph captured(device_, "cudaStreamEndCapture", end_capture);
        if (why.empty()) return std::make_unique<GraphRecording>(captured, *this);
    } catch (const Error& error) {
        if (why.empty()) why = error.what();
    }
    cudaGetLastError();
    if (!is_usable()) fail("{}", why);
    record_no_more("recorded", why);
    return nullptr;
}

void CudaBackend::multiply(const GemmCall& call) {
    const CurrentDevice current(device_);
    const std::string why = gemm_->run(call, stream_);
    if (why.empty()) return;
    if (!std::exchange(gemm_has_refused_, true))
        warn(fmt::format("{} refuses a product of {}: {}; a slow kernel computes such ones", gemm_->library(),
                         call.description(), why));
    plain_gemm(call, stream_);
}

std::string CudaBackend::gemm_library() const { return gemm_->library(); }

std::unique_ptr<Stopwatch> CudaBackend::make_stopwatch(std::size_t points) {
    const CurrentDevice current(device_);
    return std::make_unique<EventStopwatch>(points, device_, stream_);
}

double CudaBackend::seconds_of(const std::function<void()>& queue) {
    synchronize();
    const CurrentDevice current(device_);
    const OwnedEvent begin = make_event(device_, cudaEventDefault), end = make_event(device_, cudaEventDefault);
    check(cudaEventRecord(begin, stream_), "cudaEventRecord");
    queue();
    check(cudaEventRecord(end, stream_), "cudaEventRecord");
    synchronize();
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin, end), "cudaEventElapsedTime");
    return double(milliseconds) / 1000;
}

}  // namespace vitro::VITRO_DEVICE
