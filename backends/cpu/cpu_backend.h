// The CPU: host memory and a pool of threads. Every kernel splits its work by output element, so results do not depend
// on the number of threads.
#pragma once

#include "backends/backend.h"

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace vitro {

/// Threads that wait for loops to share. One loop runs at a time; loops do not nest. A loop waits for the threads that
/// take part, not for those that have not woken up yet: on a busy machine the caller does the work alone.
class ThreadPool {
public:
    /// The caller is one of the `threads` (>= 1): at most 1024, and no more than the system lets start.
    explicit ThreadPool(int threads);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int threads() const { return static_cast<int>(workers_.size()) + 1; }

    /// Calls body(begin, end, thread) until [0, n) is covered, in chunks of `grain` (the last may be shorter); thread
    /// is in [0, threads()). Returns when all is done. Allocates nothing. Throws the first exception of a body.
    template <class Body>
    void parallel_for(std::int64_t n, std::int64_t grain, Body&& body) {
        run(
            n, grain,
            [](void* context, std::int64_t begin, std::int64_t end, int thread) {
                (*static_cast<std::remove_reference_t<Body>*>(context))(begin, end, thread);
            },
            const_cast<void*>(static_cast<const void*>(&body)));
    }

private:
    using Chunk = void (*)(void* context, std::int64_t begin, std::int64_t end, int thread);

    void run(std::int64_t n, std::int64_t grain, Chunk chunk, void* context);
    void work(int thread);
    void serve(int thread);

    Chunk chunk_ = nullptr;
    void* context_ = nullptr;
    std::int64_t n_ = 0;
    std::int64_t grain_ = 1;
    std::atomic<std::int64_t> next_{0};
    /// The number of the loop, whether it still takes workers (kOpen), and how many it has (below kOpen).
    std::atomic<std::uint32_t> state_{0};
    static constexpr std::uint32_t kOpen = 1 << 12, kLoop = kOpen << 1;
    std::atomic<bool> stop_{false};
    std::mutex failure_mutex_;
    std::exception_ptr failure_;
    std::vector<std::thread> workers_;
};

class CpuBackend final : public Backend {
public:
    /// `threads` 0: as many as this process may keep busy (usable_threads).
    explicit CpuBackend(int threads = 0);

    std::string_view name() const override { return "cpu"; }
    std::size_t alignment() const override { return 64; }
    bool is_host() const override { return true; }
    Buffer allocate(std::size_t bytes, std::string_view what) override;
    std::optional<std::size_t> free_bytes() const override;
    std::optional<std::size_t> total_bytes() const override;
    void upload(void* device, const void* host, std::size_t bytes) override;
    void download(void* host, const void* device, std::size_t bytes) override;
    void queue_copy(void* to, const void* from, std::size_t bytes) override { upload(to, from, bytes); }
    void synchronize() override {}
    std::unique_ptr<Stopwatch> make_stopwatch(std::size_t points) override;

    ThreadPool& pool() { return pool_; }

private:
    ThreadPool pool_;
};

}  // namespace vitro
