#include "backends/cpu/cpu_backend.h"

#include "backends/cpu/host_memory.h"
#include "backends/cpu/host_threads.h"
#include "base/checked.h"
#include "base/error.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>

namespace vitro {
namespace {

constexpr int kMostThreads = 1024;
constexpr int kSpins = 4000;  // about the gap between two steps of a program; longer waits sleep

/// The system may promise more than there is, and end the process when it is used.
void refuse_beyond_all_memory(std::size_t bytes, std::string_view what) {
    if (const auto has = host_memory(); has && bytes > has->total_bytes)
        fail("not enough memory for {}: {} bytes, {} are all there are", what, bytes, has->total_bytes);
}

/// Work is done when it is given: the time is read at once.
class HostStopwatch final : public Stopwatch {
public:
    explicit HostStopwatch(std::size_t points) : times_(points) {}

    void start() override { start_ = Clock::now(); }
    void mark(std::size_t i) override { times_[i] = Clock::now(); }
    double seconds(std::size_t i) const override { return std::chrono::duration<double>(times_[i] - start_).count(); }

private:
    using Clock = std::chrono::steady_clock;
    Clock::time_point start_;
    std::vector<Clock::time_point> times_;
};

/// New memory, or null.
void* map(std::size_t bytes) {
    void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : memory;
}

void pause_briefly() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
    workers_ = start_threads(std::min(threads, kMostThreads) - 1, [this](int worker) { serve(worker + 1); });
}

ThreadPool::~ThreadPool() {
    stop_ = true;
    state_.fetch_add(kLoop, std::memory_order_release);
    state_.notify_all();
    for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(std::int64_t n, std::int64_t grain, Chunk chunk, void* context) {
    if (n <= 0) return;
    if (workers_.empty() || n <= grain) {
        chunk(context, 0, n, 0);
        return;
    }
    chunk_ = chunk;
    context_ = context;
    n_ = n;
    grain_ = std::max<std::int64_t>(1, grain);
    next_.store(0, std::memory_order_relaxed);
    const std::uint32_t loop = state_.load(std::memory_order_relaxed) + kLoop;  // closed, without workers
    state_.store(loop | kOpen, std::memory_order_release);
    state_.notify_all();
    work(0);
    std::uint32_t state = state_.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
    for (int spin = 0; state != loop; ++spin) {
        if (spin < kSpins)
            pause_briefly();
        else
            state_.wait(state, std::memory_order_acquire);
        state = state_.load(std::memory_order_acquire);
    }
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadPool::work(int thread) {
    try {
        for (;;) {
            const std::int64_t begin = next_.fetch_add(grain_, std::memory_order_relaxed);
            if (begin >= n_) return;
            chunk_(context_, begin, std::min(n_, begin + grain_), thread);
        }
    } catch (...) {
        next_.store(n_, std::memory_order_relaxed);
        const std::lock_guard lock(failure_mutex_);
        if (!failure_) failure_ = std::current_exception();
    }
}

void ThreadPool::serve(int thread) {
    std::uint32_t seen = 0;  // the loop last taken part in, or missed
    for (;;) {
        std::uint32_t state = state_.load(std::memory_order_acquire);
        for (int spin = 0; state / kLoop == seen; ++spin) {
            if (spin < kSpins)
                pause_briefly();
            else
                state_.wait(state, std::memory_order_acquire);
            state = state_.load(std::memory_order_acquire);
        }
        seen = state / kLoop;
        if (stop_) return;
        while ((state & kOpen) != 0 && state / kLoop == seen) {
            if (!state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel)) continue;
            work(thread);
            state_.fetch_sub(1, std::memory_order_acq_rel);
            state_.notify_all();
            break;
        }
    }
}

CpuBackend::CpuBackend(int threads) : pool_(threads > 0 ? threads : usable_threads()) {}

Buffer CpuBackend::allocate(std::size_t bytes, std::string_view what) {
    refuse_beyond_all_memory(bytes, what);
    constexpr std::size_t kLargePage = std::size_t{2} << 20;
    const bool is_large = bytes >= kLargePage;
    const std::size_t align = is_large ? kLargePage : alignment();
    if (bytes > SIZE_MAX - align) fail("not enough memory for {}: {} bytes", what, bytes);
    const std::size_t all = bytes + align;  // so that the first byte can be an aligned one
    // Either leaves memory untouched until it is used.
    void* const memory = is_large ? map(all) : std::calloc(all, 1);
    if (memory == nullptr) fail("not enough memory for {}: {} bytes", what, bytes);
    count_allocated(bytes);
    void* const aligned = reinterpret_cast<void*>(round_up(reinterpret_cast<std::uintptr_t>(memory), align));
    if (!is_large) return {aligned, bytes, [memory](void*) { std::free(memory); }};
    ::madvise(aligned, bytes, MADV_HUGEPAGE);  // an advice: small pages do, too
    return {aligned, bytes, [memory, all](void*) { ::munmap(memory, all); }};
}

std::optional<std::size_t> CpuBackend::free_bytes() const {
    const auto memory = host_memory();
    return memory ? std::optional(memory->free_bytes) : std::nullopt;
}

std::optional<std::size_t> CpuBackend::total_bytes() const {
    const auto memory = host_memory();
    return memory ? std::optional(memory->total_bytes) : std::nullopt;
}

void CpuBackend::upload(void* device, const void* host, std::size_t bytes) {
    if (bytes > 0) std::memcpy(device, host, bytes);
}
void CpuBackend::download(void* host, const void* device, std::size_t bytes) {
    if (bytes > 0) std::memcpy(host, device, bytes);
}

std::unique_ptr<Stopwatch> CpuBackend::make_stopwatch(std::size_t points) {
    return std::make_unique<HostStopwatch>(points);
}

}  // namespace vitro
