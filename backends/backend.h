// What the compiler and the executor know of a device: memory, copies, order. A backend knows no op; kernels reach
// their own backend by down-casting Call::backend.
#pragma once

#include <cstddef>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
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

/// A copy from host to device.
struct Upload {
    void* device;
    const void* host;
    std::size_t bytes;
};

/// Work that a device was given once and can be given again as a whole, on the same memory.
class Recording {
public:
    virtual ~Recording() = default;
    /// Queues the work again. False where the device refuses, and nothing was queued.
    virtual bool replay() = 0;
    /// How many pieces of work it has: kernels, copies.
    virtual std::size_t size() const = 0;
};

/// A device's clock, read at points of the work that it is given, in recordings too: nothing waits for it.
class Stopwatch {
public:
    virtual ~Stopwatch() = default;
    /// Begins to count, with nothing else under way. Not within record().
    virtual void start() = 0;
    /// Queues the reading of point `i`.
    virtual void mark(std::size_t i) = 0;
    /// Seconds from start() to point `i`, which was marked after it; nothing may be under way.
    virtual double seconds(std::size_t i) const = 0;
};

class Backend {
public:
    virtual ~Backend() = default;

    /// "cpu", "cuda": what `--device` takes and dumps print.
    virtual std::string_view name() const = 0;
    /// Which one it is, for errors: "cuda:1 (NVIDIA H200)".
    virtual std::string description() const { return std::string(name()); }
    /// Every buffer and every place in an arena is aligned to this many bytes, a power of two.
    virtual std::size_t alignment() const = 0;
    /// True when the host may read and write device pointers directly; then weights are used where the file is mapped.
    virtual bool is_host() const = 0;

    /// Zeroed memory, in large pages where there are any and it fills one. Error, naming `what` and the bytes, when
    /// there is not enough.
    virtual Buffer allocate(std::size_t bytes, std::string_view what) = 0;
    /// What allocate() could still give, and could give if nothing was in use; nothing where that is not known.
    virtual std::optional<std::size_t> free_bytes() const { return {}; }
    virtual std::optional<std::size_t> total_bytes() const { return {}; }
    /// What must stay free beside all that allocate() gives: memory that the device takes by itself later.
    virtual std::size_t reserve_bytes() const { return 0; }
    /// All bytes that allocate() was ever asked for, and allocate_staging(), where that is another kind of memory.
    std::size_t allocated_bytes() const { return allocated_bytes_; }
    std::size_t staging_bytes() const { return staging_bytes_; }
    /// Copies in the order of the steps; the host memory may be reused when the call returns.
    virtual void upload(void* device, const void* host, std::size_t bytes) = 0;
    virtual void download(void* host, const void* device, std::size_t bytes) = 0;
    /// Many large copies, such as all weights, in any order. `progress` is told the bytes done so far, now and then.
    virtual void upload_all(std::span<const Upload> uploads, const std::function<void(std::size_t)>& progress) {
        std::size_t done = 0;
        for (const Upload& one : uploads) {
            upload(one.device, one.host, one.bytes);
            if (progress) progress(done += one.bytes);
        }
    }
    /// No large copies come soon: what was kept for them is given back.
    virtual void end_uploads() {}
    /// Returns when every step given so far has run.
    virtual void synchronize() = 0;

    /// Host memory that the device reads and writes by itself.
    virtual Buffer allocate_staging(std::size_t bytes, std::string_view what) { return allocate(bytes, what); }
    /// As upload and download, but only queued: staging memory, to be left alone until synchronize().
    virtual void queue_upload(void* device, const void* staging, std::size_t bytes) { upload(device, staging, bytes); }
    virtual void queue_download(void* staging, const void* device, std::size_t bytes) {
        download(staging, device, bytes);
    }
    /// Copies within the device, in the order of the steps; the two do not overlap.
    virtual void queue_copy(void* to, const void* from, std::size_t bytes) = 0;
    /// Calls `queue`, which only queues work, and keeps that work in place of doing it. Null where the device cannot:
    /// then nothing was queued, and `queue` was called or not.
    virtual std::unique_ptr<Recording> record(const std::function<void()>& queue [[maybe_unused]]) { return nullptr; }
    /// A clock with so many points.
    virtual std::unique_ptr<Stopwatch> make_stopwatch(std::size_t points) = 0;

    /// `tell` hears what the user should know and no error says, such as that the device takes a slower way. Without it
    /// such a warning goes to stderr.
    void on_warning(std::function<void(std::string_view)> tell) { tell_ = std::move(tell); }

protected:
    void warn(const std::string& text) const {
        const std::string whole = description() + ": " + text;
        if (tell_)
            tell_(whole);
        else
            std::fprintf(stderr, "warning: %s\n", whole.c_str());
    }
    void count_allocated(std::size_t bytes) { allocated_bytes_ += bytes; }
    void count_staging(std::size_t bytes) { staging_bytes_ += bytes; }

private:
    std::function<void(std::string_view)> tell_;
    std::size_t allocated_bytes_ = 0;
    std::size_t staging_bytes_ = 0;
};

}  // namespace vitro
