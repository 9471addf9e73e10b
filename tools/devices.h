// Where programs run: the devices that --device chooses.
#pragma once

#include "graph/program.h"
#include "tools/command.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// The devices that programs are compiled for: `targets` in order of preference, the host last.
struct Devices {
    std::vector<std::unique_ptr<Backend>> backends;
    std::vector<Target> targets;
};

/// `device` as --device has it: auto (the first GPU, where there is one, else the CPU), cpu, cuda, cuda:N,
/// cuda-emulated. Error that says why there is no such device; a GPU that auto cannot open is a warning. `threads` of
/// the CPU; 0: one a core.
Devices open_devices(std::string_view device, int threads);

/// Seconds that a device takes for the work that `queue` queues, with nothing else under way: by its own clock, or the
/// host's where it is the host.
double seconds_of(Backend& backend, const std::function<void()>& queue);

/// --device
void add_device_flag(const Command& command, std::string& device);

}  // namespace vitro
