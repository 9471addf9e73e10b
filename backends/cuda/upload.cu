// Weights come from a mapped file: reading it (a copy by the CPU, and the disk's work the first time) is slower than
// the bus, so several threads read, each into two pinned buffers that take turns.
#include "backends/cpu/host_threads.h"
#include "backends/cuda/uploader.h"

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

std::vector<Upload> pieces_of(std::span<const Upload> uploads) {
    std::vector<Upload> pieces;
    for (const Upload& whole : uploads)
        for (std::size_t at = 0; at < whole.bytes; at += Uploader::kPiece)
            pieces.push_back({static_cast<std::byte*>(whole.device) + at,
                              static_cast<const std::byte*>(whole.host) + at,
                              std::min(Uploader::kPiece, whole.bytes - at)});
    return pieces;
}

}  // namespace

Uploader::Slot::Slot(int device)
    : memory_(device, "cudaHostAlloc of a staging buffer",
              [](void** memory) { return cudaHostAlloc(memory, kPiece, cudaHostAllocDefault); }),
      copied_(make_event(device, cudaEventDisableTiming)) {}

void Uploader::Slot::copy(const Upload& piece, cudaStream_t stream) {
    check(cudaEventSynchronize(copied_), "cudaEventSynchronize");
    std::memcpy(memory_, piece.host, piece.bytes);
    check(cudaMemcpyAsync(piece.device, memory_, piece.bytes, cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync");
    check(cudaEventRecord(copied_, stream), "cudaEventRecord");
}

void Uploader::run(std::span<const Upload> uploads, const std::function<void(std::size_t)>& progress) {
    const std::vector<Upload> pieces = pieces_of(uploads);
    std::atomic<std::size_t> next{0}, done{0};
    std::mutex failure_mutex;
    std::exception_ptr failure;
    const std::size_t threads =
        std::max<std::size_t>(1, std::min({kMostThreads, pieces.size(), static_cast<std::size_t>(usable_threads())}));
    if (lanes_.size() < threads) lanes_.resize(threads);
    const auto work = [&](std::size_t number) {
        try {
            const CurrentDevice current(device_);
            if (lanes_[number] == nullptr) lanes_[number] = std::make_unique<Lane>(device_);
            Lane& lane = *lanes_[number];
            for (std::size_t turn = 0, i = 0; (i = next++) < pieces.size(); ++turn) {
                lane.slots[turn % 2].copy(pieces[i], lane.stream);
                done += pieces[i].bytes;
                if (number == 0 && progress) progress(done);
            }
            check(cudaStreamSynchronize(lane.stream), "cudaStreamSynchronize");
        } catch (...) {
            next = pieces.size();
            const std::lock_guard lock(failure_mutex);
            if (!failure) failure = std::current_exception();
        }
    };
    std::vector<std::thread> helpers =
        start_threads(static_cast<int>(threads) - 1, [&](int helper) { work(static_cast<std::size_t>(helper) + 1); });
    work(0);
    for (std::thread& helper : helpers) helper.join();
    if (failure) std::rethrow_exception(failure);
    if (progress) progress(done);
}

}  // namespace vitro::VITRO_DEVICE
