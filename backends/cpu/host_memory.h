// How much memory this process may have: the machine's, or what its control groups leave of it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>

namespace vitro {

struct HostMemory {
    std::size_t free_bytes = 0;   // without swapping; what only caches files counts as free
    std::size_t total_bytes = 0;  // of the machine, or the tightest limit
};

/// From /proc/meminfo and the limits of the control groups (v2, and v1's memory controller); nothing when the first is
/// not there. `root` is where proc and sys are looked for.
std::optional<HostMemory> host_memory(const std::filesystem::path& root = "/");

}  // namespace vitro
