// Weights come from a mapped file: reading it (a copy by the CPU, and the disk's work the first time) is slower than
// the bus, so several threads read, each into two pinned buffers that take turns.
#include "backends/cpu/host_threads.h"
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/launch.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace vitro::VITRO_DEVICE {
namespace {

#ifdef __CUDACC__
constexpr std::size_t kMostThreads = 8;
#else
constexpr std::size_t kMostThreads = 2;
#endif
constexpr std::size_t kPieceBytes = std::size_t{4} << 20;  // of one pinned buffer

/// A pinned buffer and the end of its latest copy.
class Slot {
public:
    Slot() {
        check(cudaHostAlloc(&memory_, kPieceBytes, cudaHostAllocDefault), "cudaHostAlloc of a staging buffer");
        check(cudaEventCreateWithFlags(&copied_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    }
    ~Slot() {
        if (copied_ != nullptr) cudaEventDestroy(copied_);
        cudaFreeHost(memory_);
    }
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;

    void copy(const Upload& piece, cudaStream_t stream) {
        check(cudaEventSynchronize(copied_), "cudaEventSynchronize");
        std::memcpy(memory_, piece.host, piece.bytes);
        check(cudaMemcpyAsync(piece.device, memory_, piece.bytes, cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync");
        check(cudaEventRecord(copied_, stream), "cudaEventRecord");
    }

private:
    void* memory_ = nullptr;
    cudaEvent_t copied_ = nullptr;
};

struct OwnedStream {
    cudaStream_t stream = nullptr;
    OwnedStream() { check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"); }
    ~OwnedStream() { cudaStreamDestroy(stream); }
    OwnedStream(const OwnedStream&) = delete;
    OwnedStream& operator=(const OwnedStream&) = delete;
};

std::vector<Upload> pieces_of(std::span<const Upload> uploads) {
    std::vector<Upload> pieces;
    for (const Upload& whole : uploads)
        for (std::size_t at = 0; at < whole.bytes; at += kPieceBytes)
            pieces.push_back({static_cast<std::byte*>(whole.device) + at,
                              static_cast<const std::byte*>(whole.host) + at, std::min(kPieceBytes, whole.bytes - at)});
    return pieces;
}

}  // namespace

void upload_in_parallel(int device, std::span<const Upload> uploads, const std::function<void(std::size_t)>& progress) {
    const std::vector<Upload> pieces = pieces_of(uploads);
    std::atomic<std::size_t> next{0}, done{0};
    std::mutex failure_mutex;
    std::exception_ptr failure;
    const auto work = [&](bool tells) {
        try {
            check(cudaSetDevice(device), "cudaSetDevice");
            Slot slots[2];
            OwnedStream own;
            for (std::size_t turn = 0, i = 0; (i = next++) < pieces.size(); ++turn) {
                slots[turn % 2].copy(pieces[i], own.stream);
                done += pieces[i].bytes;
                if (tells && progress) progress(done);
            }
            check(cudaStreamSynchronize(own.stream), "cudaStreamSynchronize");
        } catch (...) {
            next = pieces.size();
            const std::lock_guard lock(failure_mutex);
            if (!failure) failure = std::current_exception();
        }
    };
    const std::size_t threads = std::min({kMostThreads, pieces.size(), static_cast<std::size_t>(usable_threads())});
    std::vector<std::thread> helpers = start_threads(static_cast<int>(threads) - 1, [&](int) { work(false); });
    work(true);
    for (std::thread& helper : helpers) helper.join();
    if (failure) std::rethrow_exception(failure);
    if (progress) progress(done);
}

}  // namespace vitro::VITRO_DEVICE
