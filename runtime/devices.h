// The devices that models run on.
#pragma once

#include "backends/cuda/devices.h"
#include "graph/program.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// What programs are compiled for: `targets` in order of preference, the host last.
struct Devices {
    std::vector<std::unique_ptr<Backend>> backends;
    std::vector<Target> targets;
    std::vector<std::string> warnings;  // such as why a GPU is not used
};

/// `device`: auto (the first GPU, where there is one, else the CPU), cpu, cuda, cuda:N, cuda-emulated. Error that says
/// why there is no such device; a GPU that auto cannot open is a warning. `threads` of the CPU; 0: one per core.
/// `kernels` of the CPU: those of an instruction set by its name; "reference" for none, so that the ops' references
/// run; empty: cpu_kernels().
Devices open_devices(std::string_view device, int threads, std::string_view kernels = {});

/// What is wrong with a device's name, whether or not there is such a device; empty when nothing is.
std::string why_no_device(const std::string& name);

/// How many GPUs there are; `why_none` where it is none.
int count_gpus(std::string& why_none);
DeviceFacts gpu_facts(int gpu);

/// What a GPU, or the emulation of one, can do at most, measured with sizes that take a card well past its caches, and
/// the emulation no more than a moment. Error on the host.
DeviceLimits measure_limits(Backend& backend);

/// Seconds that a device takes for the work that `queue` queues, with nothing else under way: by its own clock, or the
/// host's where it is the host.
double seconds_of(Backend& backend, const std::function<void()>& queue);

}  // namespace vitro
