// How many threads this process should run, and starting them.
#pragma once

#include <filesystem>
#include <functional>
#include <thread>
#include <vector>

namespace vitro {

/// As many as the process may keep busy: its affinity and the CPU quotas of its control groups (v2, and v1's cpu
/// controller), rounded up; at least one. `root` is where proc and sys are looked for.
int usable_threads(const std::filesystem::path& root = "/");

/// Threads that call serve(0), serve(1), … : `count` of them, or as many as the system lets start (ulimit -u, -v, a
/// control group's pids).
std::vector<std::thread> start_threads(int count, const std::function<void(int)>& serve);

}  // namespace vitro
