// How much memory a model's programs need on each device, known before anything is loaded.
#pragma once

#include "graph/load_program.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace vitro {

/// Bytes on one device.
struct MemoryUse {
    std::string device;
    bool is_host = true;
    std::size_t mapped_weights = 0;  // used where the checkpoint's files are mapped: nothing is allocated for them
    std::size_t weights = 0;         // uploaded, or computed by the load program
    std::size_t loading = 0;         // memory of the load program: freed before anything but the weights is allocated
    std::size_t states = 0;          // the KV cache, which all programs share
    std::size_t arena = 0;           // shared too: one program runs at a time
    std::size_t io = 0;              // inputs, constants and results, separate for each program
    std::size_t staging = 0;         // pinned host memory, through which a device exchanges its io

    /// What stays allocated after the model is loaded.
    std::size_t allocated() const { return weights + states + arena + io; }
    /// The most that is allocated at one time.
    std::size_t peak() const { return std::max(weights + loading, allocated()); }
};

/// What must be free on a device for it: the peak, and what the device takes by itself later.
inline std::size_t needed_bytes(const MemoryUse& use, const Backend& backend) {
    return use.peak() + backend.reserve_bytes();
}

/// One entry per device. `programs` are those of one model, which share weights, states and arena; `load` is their load
/// program.
std::vector<MemoryUse> memory_use(std::span<const Program* const> programs, const LoadProgram& load);

}  // namespace vitro
