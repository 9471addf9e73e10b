// What a model's programs take of each device's memory, told before anything is loaded.
#pragma once

#include "graph/program.h"

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
    std::size_t weights = 0;         // uploaded, or packed or rounded when they are loaded
    std::size_t states = 0;          // the KV cache, which all programs share
    std::size_t arena = 0;           // shared, too: one program runs at a time
    std::size_t io = 0;              // inputs, constants and results, of each program its own
    std::size_t staging = 0;         // pinned memory of the host, by which a device exchanges its io

    /// What Backend::allocate is asked for.
    std::size_t allocated() const { return weights + states + arena + io; }
};

/// Whether a weight is used where its file is mapped.
bool is_mapped(const ValueInfo& weight, bool on_host);

/// By device. `programs` are those of one model: they share weights, states and arena.
std::vector<MemoryUse> memory_use(std::span<const Program* const> programs);

}  // namespace vitro
