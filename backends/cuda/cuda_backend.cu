#include "backends/cuda/cuda_backend.h"

#include "backends/cuda/devices.h"
#include "backends/cuda/launch.h"

namespace vitro::VITRO_DEVICE {
namespace {

#ifdef __CUDACC__
constexpr const char* kName = "cuda";
constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;
#else
constexpr const char* kName = "cuda-emulated";
constexpr std::size_t kWorkspaceBytes = 256;
#endif

}  // namespace

CudaBackend::CudaBackend(int device) : name_(kName), device_(device) {
    check(cudaSetDevice(device), "cudaSetDevice");
    check(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, device), "cudaDeviceGetAttribute");
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    counters_ = allocate(kCounters * sizeof(unsigned), "the kernels' counters");
    workspace_ = allocate(kWorkspaceBytes, "the workspace of matrix products");
    gemm_ = std::make_unique<Gemm>(workspace_.data(), workspace_.bytes());
}

CudaBackend::~CudaBackend() { cudaStreamDestroy(stream_); }

Buffer CudaBackend::allocate(std::size_t bytes, std::string_view what) {
    void* memory = nullptr;
    if (const cudaError_t status = cudaMalloc(&memory, bytes == 0 ? 1 : bytes); status != cudaSuccess)
        fail("{}: not enough memory for {}: {} bytes ({})", name_, what, bytes, cudaGetErrorString(status));
    Buffer buffer(memory, bytes, [](void* p) { cudaFree(p); });
    check(cudaMemsetAsync(memory, 0, bytes, stream_), "cudaMemsetAsync");
    synchronize();
    return buffer;
}

void CudaBackend::upload(void* device, const void* host, std::size_t bytes) {
    if (bytes == 0) return;
    check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_), "cudaMemcpyAsync to the device");
    synchronize();
}

void CudaBackend::download(void* host, const void* device, std::size_t bytes) {
    if (bytes == 0) return;
    check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_), "cudaMemcpyAsync from the device");
    synchronize();
}

void CudaBackend::synchronize() { check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

std::unique_ptr<Backend> make_backend(int device) { return std::make_unique<CudaBackend>(device); }

}  // namespace vitro::VITRO_DEVICE
