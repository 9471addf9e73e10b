#include "backends/cuda/cuda_backend.h"

#include "backends/cuda/devices.h"
#include "backends/cuda/launch.h"

#include <cstring>
#include <vector>

namespace vitro::VITRO_DEVICE {
namespace {

#ifdef __CUDACC__
constexpr const char* kName = "cuda";
constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;
#else
constexpr const char* kName = "cuda-emulated";
constexpr std::size_t kWorkspaceBytes = 256;
#endif

/// A captured graph.
__global__ void empty_kernel() {}

/// Error when this program's kernels are not compiled for the current device.
void check_kernels(const std::string& device, int compute_capability) {
    int blocks = 0;
    const cudaError_t status = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, empty_kernel, 32, 0);
    if (status == cudaSuccess) return;
    cudaGetLastError();
    fail("{}: the kernels were not compiled for sm_{}: build with -DVITRO_CUDA_ARCHITECTURES={} ({})", device,
         compute_capability, compute_capability, cudaGetErrorString(status));
}

class GraphRecording final : public Recording {
public:
    GraphRecording(cudaGraph_t graph, cudaStream_t stream) : stream_(stream) {
        check(cudaGraphGetNodes(graph, nullptr, &size_), "cudaGraphGetNodes");
        check(cudaGraphInstantiate(&executable_, graph), "cudaGraphInstantiate");
        check(cudaGraphUpload(executable_, stream), "cudaGraphUpload");
    }
    ~GraphRecording() override { cudaGraphExecDestroy(executable_); }
    GraphRecording(const GraphRecording&) = delete;
    GraphRecording& operator=(const GraphRecording&) = delete;

    void replay() override { check(cudaGraphLaunch(executable_, stream_), "cudaGraphLaunch"); }
    std::size_t size() const override { return size_; }

private:
    cudaStream_t stream_;
    cudaGraphExec_t executable_ = nullptr;
    std::size_t size_ = 0;
};

class OwnedEvent {
public:
    OwnedEvent() { check(cudaEventCreate(&event_), "cudaEventCreate"); }
    ~OwnedEvent() { cudaEventDestroy(event_); }
    OwnedEvent(const OwnedEvent&) = delete;
    OwnedEvent& operator=(const OwnedEvent&) = delete;
    operator cudaEvent_t() const { return event_; }

private:
    cudaEvent_t event_ = nullptr;
};

class EventStopwatch final : public Stopwatch {
public:
    EventStopwatch(std::size_t points, cudaStream_t stream) : stream_(stream), points_(points) {}

    void start() override {
        check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
        check(cudaEventRecord(start_, stream_), "cudaEventRecord");
    }
    void mark(std::size_t i) override {
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
    cudaStream_t stream_;
    OwnedEvent start_;
    std::vector<OwnedEvent> points_;
};

/// Destroys a graph at the end of a scope.
struct OwnedGraph {
    cudaGraph_t graph = nullptr;
    ~OwnedGraph() {
        if (graph != nullptr) cudaGraphDestroy(graph);
    }
};

/// Waits for what is queued, which may still use memory that is about to be freed. cudaFree does so by itself, for
/// cudaFreeHost it is not promised. A fault of the emulation is thrown; whoever waits for the same work next is told.
void wait_in_destructor(cudaStream_t stream) {
    try {
        cudaStreamSynchronize(stream);
    } catch (...) {
    }
}

}  // namespace

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
    check(cudaSetDevice(device), "cudaSetDevice");
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

CudaBackend::CudaBackend(int device) : device_(device) {
    std::string why_none;
    const int count = count_devices(why_none);
    if (count == 0) fail("{}: {}", kName, why_none);
    if (device < 0 || device >= count)
        fail("{}:{}: expected a device in 0..{}, found {}", kName, device, count - 1, device);
    check(cudaSetDevice(device), "cudaSetDevice");
    const DeviceFacts facts = device_facts(device);
    description_ = fmt::format("{}:{} ({})", kName, device, facts.name);
    multiprocessors_ = facts.multiprocessors;
    check_kernels(description_, facts.compute_capability);
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    counters_ = allocate(kCounters * sizeof(unsigned), "the kernels' counters");
    workspace_ = allocate(kWorkspaceBytes, "the workspace of matrix products");
    gemm_ = std::make_unique<Gemm>(workspace_.data(), workspace_.bytes());
}

CudaBackend::~CudaBackend() {
    gemm_.reset();
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
}

std::string_view CudaBackend::name() const { return kName; }

Buffer CudaBackend::allocate(std::size_t bytes, std::string_view what) {
    void* memory = nullptr;
    if (const cudaError_t status = cudaMalloc(&memory, bytes == 0 ? 1 : bytes); status != cudaSuccess) {
        cudaGetLastError();
        fail("{}: not enough memory for {}: {} bytes, {} are free ({})", description_, what, bytes,
             free_bytes().value_or(0), cudaGetErrorString(status));
    }
    count_allocated(bytes);
    Buffer buffer(memory, bytes, [](void* p) { cudaFree(p); });
    check(cudaMemsetAsync(memory, 0, bytes, stream_), "cudaMemsetAsync");
    synchronize();
    return buffer;
}

std::optional<std::size_t> CudaBackend::free_bytes() const {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    return free;
}

std::optional<std::size_t> CudaBackend::total_bytes() const {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    return total;
}

Buffer CudaBackend::allocate_staging(std::size_t bytes, std::string_view what) {
    void* memory = nullptr;
    const cudaError_t status = cudaHostAlloc(&memory, bytes == 0 ? 1 : bytes, cudaHostAllocDefault);
    if (status != cudaSuccess) {
        cudaGetLastError();
        fail("{}: not enough pinned host memory for {}: {} bytes ({})", description_, what, bytes,
             cudaGetErrorString(status));
    }
    std::memset(memory, 0, bytes);
    count_staging(bytes);
    return {memory, bytes, [stream = stream_](void* p) {
                wait_in_destructor(stream);
                cudaFreeHost(p);
            }};
}

void CudaBackend::upload(void* device, const void* host, std::size_t bytes) {
    if (bytes == 0) return;
    queue_upload(device, host, bytes);
    synchronize();
}

void CudaBackend::download(void* host, const void* device, std::size_t bytes) {
    if (bytes == 0) return;
    queue_download(host, device, bytes);
    synchronize();
}

void CudaBackend::queue_upload(void* device, const void* staging, std::size_t bytes) {
    check(cudaMemcpyAsync(device, staging, bytes, cudaMemcpyHostToDevice, stream_), "cudaMemcpyAsync to the device");
}

void CudaBackend::queue_download(void* staging, const void* device, std::size_t bytes) {
    check(cudaMemcpyAsync(staging, device, bytes, cudaMemcpyDeviceToHost, stream_), "cudaMemcpyAsync from the device");
}

void CudaBackend::queue_copy(void* to, const void* from, std::size_t bytes) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "cudaMemcpyAsync within the device");
}

void CudaBackend::upload_all(std::span<const Upload> uploads, const std::function<void(std::size_t)>& progress) {
    synchronize();  // what is queued may still use that memory
    upload_in_parallel(device_, uploads, progress);
}

void CudaBackend::synchronize() { check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

std::unique_ptr<Recording> CudaBackend::record(const std::function<void()>& queue) {
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    OwnedGraph captured;
    try {
        queue();
    } catch (...) {
        cudaStreamEndCapture(stream_, &captured.graph);
        throw;
    }
    check(cudaStreamEndCapture(stream_, &captured.graph), "cudaStreamEndCapture");
    return std::make_unique<GraphRecording>(captured.graph, stream_);
}

std::unique_ptr<Stopwatch> CudaBackend::make_stopwatch(std::size_t points) {
    return std::make_unique<EventStopwatch>(points, stream_);
}

double CudaBackend::seconds_of(const std::function<void()>& queue) {
    synchronize();
    const OwnedEvent begin, end;
    check(cudaEventRecord(begin, stream_), "cudaEventRecord");
    queue();
    check(cudaEventRecord(end, stream_), "cudaEventRecord");
    synchronize();
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin, end), "cudaEventElapsedTime");
    return double(milliseconds) / 1000;
}

}  // namespace vitro::VITRO_DEVICE
