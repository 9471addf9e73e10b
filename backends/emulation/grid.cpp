#include "backends/emulation/grid.h"

#include "backends/cpu/host_threads.h"
#include "backends/emulation/block.h"
#include "backends/emulation/options.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

namespace vitro::emulation {
namespace {

/// OS threads that wait for grids to help with.
class Workers {
public:
    explicit Workers(int count) : count_(count), threads_(start_threads(count, [this](int) { help(); })) {}
    ~Workers() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        wake_.notify_all();
        for (std::thread& thread : threads_) thread.join();
    }

    /// How many were wanted; the system may not let all start.
    int count() const { return count_; }

    /// Calls `work` on the calling thread, and on each helper that wakes up before that call has ended: `work` must
    /// come back only when nothing is left to start. Comes back when all calls have.
    void run(const std::function<void()>& work) {
        {
            const std::lock_guard lock(mutex_);
            work_ = &work;
            ++round_;
        }
        wake_.notify_all();
        work();
        std::unique_lock lock(mutex_);
        work_ = nullptr;
        done_.wait(lock, [&] { return busy_ == 0; });
    }

private:
    void help() {
        unsigned seen = 0;
        std::unique_lock lock(mutex_);
        for (;;) {
            wake_.wait(lock, [&] { return stop_ || (work_ != nullptr && round_ != seen); });
            if (stop_) return;
            seen = round_;
            const std::function<void()>& work = *work_;
            ++busy_;
            lock.unlock();
            work();
            lock.lock();
            if (--busy_ == 0) done_.notify_one();
        }
    }

    std::mutex mutex_;
    std::condition_variable wake_, done_;
    const std::function<void()>* work_ = nullptr;
    unsigned round_ = 0;
    int busy_ = 0;
    bool stop_ = false;
    int count_ = 0;
    std::vector<std::thread> threads_;  // last: they use the others
};

Workers& workers() {
    static std::unique_ptr<Workers> pool;
    int wanted = options().workers;
    if (wanted == 0) wanted = usable_threads();
    if (pool == nullptr || pool->count() != wanted - 1) {
        pool.reset();
        pool = std::make_unique<Workers>(wanted - 1);
    }
    return *pool;
}

void count_launch(const Kernel& kernel) {
    if (!options().count_accesses) return;
    AccessCounts counts;
    counts.kernel = kernel.name;
    counts.launches = 1;
    counts.size = {.grid = {kernel.grid.x, kernel.grid.y, kernel.grid.z},
                   .block = kernel.block.x * kernel.block.y * kernel.block.z,
                   .programmatic = kernel.programmatic,
                   .dynamic_shared = static_cast<std::int64_t>(kernel.shared_bytes)};
    add_access_counts(counts);
}

uint3 block_index(dim3 grid, std::uint64_t number) {
    return {unsigned(number % grid.x), unsigned(number / grid.x % grid.y), unsigned(number / grid.x / grid.y)};
}

std::uint64_t blocks_of(dim3 grid) { return std::uint64_t{grid.x} * grid.y * grid.z; }

void run_block(Block& block, const Kernel& kernel, uint3 index) {
    block.reset(kernel, index);
    while (block.run() == Block::State::spins) {
        std::this_thread::yield();  // what it waits for may come from a block of another worker
        block.release(Wait::spinning);
    }
}

}  // namespace

ResidentGrid::ResidentGrid(const Kernel& kernel) {
    count_launch(kernel);
    for (std::uint64_t number = 0; number < blocks_of(kernel.grid); ++number) {
        blocks_.push_back(std::make_unique<Block>());
        blocks_.back()->reset(kernel, block_index(kernel.grid, number));
    }
}

ResidentGrid::~ResidentGrid() = default;

void ResidentGrid::run_ahead() {
    for (auto& block : blocks_) block->set_previous_done(false);
    run();
}

void ResidentGrid::finish() {
    for (auto& block : blocks_) {
        block->set_previous_done(true);
        block->release(Wait::previous_kernel);
    }
    previous_done_ = true;
    run();
}

void ResidentGrid::run() {
    for (;;) {
        std::size_t at_grid = 0, ended = 0, spinning = 0;
        for (auto& block : blocks_) {
            switch (block->run()) {
                case Block::State::ended:
                    ++ended;
                    break;
                case Block::State::waits_for_grid:
                    ++at_grid;
                    break;
                case Block::State::spins:
                    ++spinning;
                    break;
                case Block::State::waits_for_previous:
                    break;
            }
        }
        if (ended == blocks_.size()) return;
        if (at_grid == blocks_.size()) {
            for (auto& block : blocks_) block->release(Wait::grid);
        } else if (spinning != 0) {
            // Without the kernel in front, what it waits for may not come.
            if (!previous_done_) return;
            for (auto& block : blocks_) block->release(Wait::spinning);
        } else if (!previous_done_) {
            return;
        } else {
            throw Fault("kernel " + blocks_.front()->kernel().name + ": " + std::to_string(at_grid) + " of " +
                        std::to_string(blocks_.size()) +
                        " blocks wait at sync_grid, the others have ended (divergent barrier)");
        }
    }
}

void run_grid(const Kernel& kernel) {
    if (kernel.cooperative) {
        ResidentGrid(kernel).finish();
        return;
    }
    count_launch(kernel);
    // A Block is large, and is used again; one for each OS thread.
    const std::uint64_t count = blocks_of(kernel.grid);
    std::atomic<std::uint64_t> next = 0;
    std::mutex mutex;
    std::exception_ptr first;
    const std::function<void()> work = [&] {
        thread_local Block block;
        for (;;) {
            const std::uint64_t number = next.fetch_add(1, std::memory_order_relaxed);
            if (number >= count) return;
            try {
                run_block(block, kernel, block_index(kernel.grid, number));
            } catch (...) {
                const std::lock_guard lock(mutex);
                if (first == nullptr) first = std::current_exception();
                next = count;
            }
        }
    };
    Workers& pool = workers();
    if (count == 1 || pool.count() == 0)
        work();
    else
        pool.run(work);
    if (first != nullptr) std::rethrow_exception(first);
}

}  // namespace vitro::emulation
