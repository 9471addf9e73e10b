// Runs the grid of one kernel launch on the CPU: each CUDA thread is a fiber, each block stays on one OS thread.
#pragma once

#include "backends/emulation/types.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace vitro::emulation {

/// One launch: the kernel with its arguments, called once by each thread.
struct Kernel {
    std::string name;
    dim3 grid, block;
    std::size_t shared_bytes = 0;  // dynamic
    bool cooperative = false;      // may synchronize the whole grid
    bool programmatic = false;     // starts before the kernel in front of it ends, and waits for it by itself
    std::function<void()> body;
};

class Block;

/// A launch whose blocks all live at the same time, on the calling OS thread.
class ResidentGrid {
public:
    explicit ResidentGrid(const Kernel& kernel);
    ~ResidentGrid();

    /// Runs until every thread has ended or waits for the kernel in front (wait_for_previous_kernel). Throws Fault.
    void run_ahead();
    /// Lets the waiting threads go on, and runs to the end. Throws Fault.
    void finish();

private:
    void run();

    std::vector<std::unique_ptr<Block>> blocks_;
    bool previous_done_ = false;
};

/// Runs a launch to its end. Throws Fault at the first mistake of any of its threads.
void run_grid(const Kernel& kernel);

}  // namespace vitro::emulation
