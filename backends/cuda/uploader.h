// Large copies to the device, by several threads through pinned buffers that are kept between them.
#pragma once

#include "backends/backend.h"
#include "backends/cuda/handles.h"

#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace vitro::VITRO_DEVICE {

class Uploader {
public:
    static constexpr std::size_t kPiece = std::size_t{4} << 20;  // bytes of one pinned buffer
    static constexpr std::size_t kLeast = std::size_t{1} << 20;  // bytes from which a copy is large

    explicit Uploader(int device) : device_(device) {}

    /// As Backend::upload_all has it. Nothing that is queued on the device may use that memory.
    void run(std::span<const Upload> uploads, const std::function<void(std::size_t)>& progress);

private:
    /// A pinned buffer and the end of its latest copy.
    class Slot {
    public:
        explicit Slot(int device);
        void copy(const Upload& piece, cudaStream_t stream);

    private:
        OwnedHostMemory memory_;
        OwnedEvent copied_;
    };
    /// What a thread has for itself.
    struct Lane {
        Slot slots[2];
        OwnedStream stream;

        explicit Lane(int device) : slots{Slot(device), Slot(device)}, stream(make_stream(device)) {}
        ~Lane() {  // after a failure copies may still read the buffers
            on_device_quietly(-1, [this] { cudaStreamSynchronize(stream); });
        }
        Lane(const Lane&) = delete;
        Lane& operator=(const Lane&) = delete;
    };

    const int device_;
    std::vector<std::unique_ptr<Lane>> lanes_;  // by thread
};

}  // namespace vitro::VITRO_DEVICE
