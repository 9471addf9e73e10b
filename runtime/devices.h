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
    std::vector<KernelDef> gpu_kernels;  // of the GPU that is among them, and what plugins add
    std::vector<std::string> warnings;   // such as why a GPU is not used
};

/// `device`: auto (the first GPU, where there is one, else the CPU), cpu, cuda, cuda:N, cuda-emulated. Error that says
/// why there is no such device; a GPU that auto cannot open is a warning. `threads` of the CPU; 0: one per core.
/// `kernels` of the CPU: those of an instruction set by its name; "reference" for the ops' references, in the programs
/// that cpu_kernels() would run; empty: cpu_kernels().
Devices open_devices(std::string_view device, int threads, std::string_view kernels = {});

/// What is wrong with the spelling of a device's name; empty for a valid name, even if the machine has no such device.
std::string why_no_device(const std::string& name);

/// How many GPUs there are; when there are none, `why_none` gets the reason.
int count_gpus(std::string& why_none);
DeviceFacts gpu_facts(int gpu);

/// Measures the limits of a GPU, with sizes far larger than its caches, or of the emulation, with small sizes so that
/// it takes only a moment. Error for the host.
DeviceLimits measure_limits(Backend& backend);

/// Seconds that a device takes for the work that `queue` enqueues, while it does nothing else; measured by the device's
/// own clock, or by the host's for the host.
double seconds_of(Backend& backend, const std::function<void()>& queue);

}  // namespace vitro
