// What the compiler and the executor know of a device: memory, copies, order. A backend knows no op; kernels reach
// their own backend by down-casting Call::backend.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>
#include <utility>

namespace vitro {

/// Device memory, owned. Move-only; freed by the backend it came from.
class Buffer {
public:
    Buffer() = default;
    Buffer(void* data, std::size_t bytes, std::function<void(void*)> release)
        : data_(data), bytes_(bytes), release_(std::move(release)) {}
    Buffer(Buffer&& other) noexcept { swap(other); }
    Buffer& operator=(Buffer&& other) noexcept {
        swap(other);
        return *this;
    }
    ~Buffer() {
        if (data_) release_(data_);
    }

    std::byte* data() const { return static_cast<std::byte*>(data_); }
    std::size_t bytes() const { return bytes_; }

private:
    void swap(Buffer& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
        std::swap(release_, other.release_);
    }

    void* data_ = nullptr;
    std::size_t bytes_ = 0;
    std::function<void(void*)> release_;
};

class Backend {
public:
    virtual ~Backend() = default;

    /// "cpu", "cuda": what `--device` takes and dumps print.
    virtual std::string_view name() const = 0;
    /// Every buffer and every place in an arena is aligned to this many bytes, a power of two.
    virtual std::size_t alignment() const = 0;
    /// True when the host may read and write device pointers directly; then weights are used where the file is mapped.
    virtual bool is_host() const = 0;

    /// Zeroed memory. Error, naming `what` and the bytes, when there is not enough.
    virtual Buffer allocate(std::size_t bytes, std::string_view what) = 0;
    /// Copies in the order of the steps; the host memory may be reused when the call returns.
    virtual void upload(void* device, const void* host, std::size_t bytes) = 0;
    virtual void download(void* host, const void* device, std::size_t bytes) = 0;
    /// Returns when every step given so far has run.
    virtual void synchronize() = 0;
};

}  // namespace vitro
