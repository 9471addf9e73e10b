// vitro devices: what there is to run on, and what it can do.
#include "tools/devices.h"

#include "backends/cpu/cpu_backend.h"
#include "backends/cuda/devices.h"
#include "ops/cuda_kernels.h"
#include "ops/op_list.h"
#include "tools/common.h"

#include <nlohmann/json.hpp>

#include <charconv>
#include <chrono>

namespace vitro {
namespace {

/// The GPU's part of a build: absent without nvcc.
#if VITRO_HAS_CUDA
int count_gpus(std::string& why_none) { return cuda::count_devices(why_none); }
DeviceFacts gpu_facts(int device) { return cuda::device_facts(device); }
std::unique_ptr<Backend> open_gpu(int device) { return cuda::make_backend(device); }
std::span<const KernelDef> gpu_kernels() { return cuda::kernels(); }
DeviceLimits gpu_limits(Backend& backend, std::size_t bytes, std::int64_t n) {
    return cuda::measure_limits(backend, bytes, n);
}
double gpu_seconds(Backend& backend, const std::function<void()>& queue) { return cuda::seconds_of(backend, queue); }
#else
int count_gpus(std::string& why_none) {
    why_none = "this program was built without nvcc; cuda-emulated runs the same kernels on the CPU, slowly";
    return 0;
}
DeviceFacts gpu_facts(int) { return {}; }
std::unique_ptr<Backend> open_gpu(int) {
    std::string why_none;
    count_gpus(why_none);
    fail("cuda: {}", why_none);
}
std::span<const KernelDef> gpu_kernels() { return {}; }
DeviceLimits gpu_limits(Backend&, std::size_t, std::int64_t) { return {}; }
double gpu_seconds(Backend&, const std::function<void()>&) { return 0; }
#endif

constexpr std::string_view kEmulated = "cuda-emulated";

/// N of cuda:N, 0 of cuda; nothing for other texts.
std::optional<int> gpu_number(std::string_view device) {
    if (device == "cuda") return 0;
    if (!device.starts_with("cuda:")) return {};
    device.remove_prefix(5);
    int number = 0;
    const auto [end, error] = std::from_chars(device.data(), device.data() + device.size(), number);
    if (error != std::errc{} || end != device.data() + device.size() || number < 0) return {};
    return number;
}

/// Keeps the value of a flag that names a device; Error when it does not.
void take_device(const std::string& text, std::string& device) {
    if (text != "auto" && text != "cpu" && text != kEmulated && !gpu_number(text))
        fail("expected auto, cpu, cuda, cuda:N or cuda-emulated, found '{}'", text);
    device = text;
}

struct Flags {
    std::string limits;
    bool json = false;
};

nlohmann::ordered_json facts_json(const DeviceFacts& facts) {
    return {{"name", facts.name},
            {"compute_capability", facts.compute_capability},
            {"multiprocessors", facts.multiprocessors},
            {"memory_bytes", facts.memory_bytes},
            {"free_bytes", facts.free_bytes},
            {"l2_bytes", facts.l2_bytes},
            {"memory_bus_bits", facts.memory_bus_bits},
            {"clock_khz", facts.clock_khz},
            {"memory_clock_khz", facts.memory_clock_khz},
            {"driver_cuda_version", facts.driver_version},
            {"runtime_cuda_version", facts.runtime_version}};
}

void print_facts(std::string_view device, const DeviceFacts& facts) {
    // Two transfers a clock.
    const double peak = 2e3 * facts.memory_clock_khz * facts.memory_bus_bits / 8;
    print_out(
        "{:<14} {}, sm_{}, {} multiprocessors, {:.1f} GB ({:.1f} free), L2 {} MB, {} bit at {} MHz: {:.0f} GB/s; "
        "driver "
        "for CUDA {}.{}, built with {}.{}\n",
        device, facts.name, facts.compute_capability, facts.multiprocessors,
        static_cast<double>(facts.memory_bytes) / 1e9, static_cast<double>(facts.free_bytes) / 1e9,
        facts.l2_bytes >> 20, facts.memory_bus_bits, facts.memory_clock_khz / 1000, peak / 1e9,
        facts.driver_version / 1000, facts.driver_version % 1000 / 10, facts.runtime_version / 1000,
        facts.runtime_version % 1000 / 10);
}

/// Sizes that take a card well past its caches, and the emulation no more than a moment.
DeviceLimits limits_of(std::string_view device, int threads) {
    const Devices devices = open_devices(device, threads);
    Backend& backend = devices.targets.front().backend;
    if (backend.is_host()) fail("--limits: expected cuda, cuda:N or cuda-emulated, found {}", device);
    if (device == kEmulated) return cuda_emulated::measure_limits(backend, std::size_t{1} << 16, 32);
    return gpu_limits(backend, std::size_t{4} << 30, 8192);
}

void devices(const Flags& flags) {
    std::string why_none;
    const int gpus = count_gpus(why_none);
    nlohmann::ordered_json json{{"cpu", {{"threads", CpuBackend().pool().threads()}}},
                                {"cuda", nlohmann::json::array()}};
    for (int device = 0; device < gpus; ++device) json["cuda"].push_back(facts_json(gpu_facts(device)));
    if (gpus == 0) json["why_no_cuda"] = why_none;
    std::optional<DeviceLimits> limits;
    if (!flags.limits.empty()) limits = limits_of(flags.limits, 0);
    if (limits)
        json["limits"] = {{"device", flags.limits},
                          {"bytes", limits->bytes},
                          {"read_bytes_per_second", limits->read_bytes_per_second},
                          {"copy_bytes_per_second", limits->copy_bytes_per_second},
                          {"gemm_size", limits->gemm_size},
                          {"gemm_flops_per_second", limits->gemm_flops_per_second}};
    if (flags.json) {
        print_out("{}\n", json.dump());
        return;
    }
    print_out("{:<14} {} threads\n", "cpu", CpuBackend().pool().threads());
    if (gpus == 0) print_out("{:<14} none: {}\n", "cuda", why_none);
    for (int device = 0; device < gpus; ++device) print_facts(fmt::format("cuda:{}", device), gpu_facts(device));
    print_out("{:<14} the CUDA kernels on the CPU, checked and slow\n", kEmulated);
    if (limits)
        print_out("{}: reads {:.1f} GB/s, copies {:.1f} GB/s, multiplies {:.3f} TFLOP/s (bf16, {} x {} x {})\n",
                  flags.limits, limits->read_bytes_per_second / 1e9, limits->copy_bytes_per_second / 1e9,
                  limits->gemm_flops_per_second / 1e12, limits->gemm_size, limits->gemm_size, limits->gemm_size);
}

}  // namespace

Devices open_devices(std::string_view device, int threads) {
    Devices out;
    const auto add = [&](std::unique_ptr<Backend> backend, std::span<const KernelDef> kernels) {
        out.targets.push_back({*backend, kernels});
        out.backends.push_back(std::move(backend));
    };
    const auto add_gpu = [&](int number) { add(open_gpu(number), gpu_kernels()); };
    std::string why_none;
    if (device == kEmulated)
        add(cuda_emulated::make_backend(), cuda_emulated::kernels());
    else if (const std::optional<int> number = gpu_number(device))
        add_gpu(*number);
    else if (device != "auto" && device != "cpu")
        fail("--device: expected auto, cpu, cuda, cuda:N or cuda-emulated, found '{}'", device);
    else if (device == "auto" && count_gpus(why_none) > 0) {
        try {
            add_gpu(0);
        } catch (const Error& error) {
            print_err("warning: the GPU is not used: {}\n", error.what());
        }
    }
    add(std::make_unique<CpuBackend>(threads), cpu_kernels());
    return out;
}

double seconds_of(Backend& backend, const std::function<void()>& queue) {
    if (backend.name() == kEmulated) return cuda_emulated::seconds_of(backend, queue);
    if (!backend.is_host()) return gpu_seconds(backend, queue);
    const auto start = std::chrono::steady_clock::now();
    queue();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void add_device_flag(const Command& command, std::string& device) {
    command.checked(
        "--device", [&device](const std::string& text) { take_device(text, device); },
        "where to run: auto (a GPU, where there is one), cpu, cuda, cuda:N, or cuda-emulated (the CUDA kernels on the "
        "CPU)",
        "DEVICE");
}

void add_devices(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command =
        line.add("devices", "list what there is to run on\nExample: vitro devices --limits cuda", [flags] {
            devices(*flags);
            return 0;
        });
    command.checked(
        "--limits", [flags](const std::string& text) { take_device(text, flags->limits); },
        "measure what a device can do: bandwidth and matrix products", "DEVICE");
    command.flag("--json", flags->json, "print JSON: cpu, cuda, limits");
}

}  // namespace vitro
