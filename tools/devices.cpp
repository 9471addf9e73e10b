// vitro devices: what there is to run on, and what it can do.
#include "runtime/devices.h"
#include "base/json_text.h"

#include "backends/cpu/cpu_backend.h"
#include "ops/op_list.h"
#include "runtime/emulated_cuda.h"
#include "runtime/peaks.h"
#include "tools/common.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace vitro {
namespace {

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

/// Instruction sets that this program has kernels for and this CPU runs.
std::vector<std::string_view> usable_isas() {
    std::vector<std::string_view> names;
    for (const IsaKernels& row : isa_kernels())
        if (runs(row.isa)) names.push_back(name(row.isa));
    return names;
}

/// What the emulation is, or why there is none, as in a folder that has no library beside the program.
std::string emulation_text() {
    constexpr std::string_view kDevice = "cuda-emulated: ";
    try {
        emulated_cuda();
        return "the CUDA kernels on the CPU, checked and slow";
    } catch (const Error& error) {
        const std::string_view why = error.what();
        return fmt::format("none: {}", why.substr(why.starts_with(kDevice) ? kDevice.size() : 0));
    }
}

void devices(const Flags& flags) {
    std::string why_none;
    const int gpus = count_gpus(why_none);
    const int threads = CpuBackend().pool().threads();
    nlohmann::ordered_json json{{"cpu", {{"threads", threads}, {"isa", name(isa_in_use())}, {"isas", usable_isas()}}},
                                {"cuda", nlohmann::json::array()}};
    for (int device = 0; device < gpus; ++device) json["cuda"].push_back(facts_json(gpu_facts(device)));
    if (gpus == 0) json["why_no_cuda"] = why_none;
    std::optional<DeviceLimits> limits;
    std::optional<Peaks> of_cpu;
    if (!flags.limits.empty()) {
        const Devices measured = open_devices(ModelFlags{.device = flags.limits});
        Backend& backend = measured.targets.front().backend;
        if (backend.is_host())
            of_cpu = measure_peaks(backend);
        else
            limits = measure_limits(backend);
    }
    if (of_cpu)
        json["limits"] = {{"device", flags.limits},
                          {"read_bytes_per_second", of_cpu->bytes_per_second},
                          {"flops_per_second", of_cpu->flops_per_second},
                          {"bf16_flops_per_second", of_cpu->bf16_per_second},
                          {"integer_operations_per_second", of_cpu->integer_per_second}};
    if (limits) {
        json["limits"] = {{"device", flags.limits},
                          {"bytes", limits->bytes},
                          {"read_bytes_per_second", limits->read_bytes_per_second},
                          {"copy_bytes_per_second", limits->copy_bytes_per_second},
                          {"gemm_size", limits->gemm_size},
                          {"gemm_flops_per_second", limits->gemm_flops_per_second},
                          {"gemm_library", limits->gemm_library},
                          {"products", nlohmann::json::array()}};
        for (const ProductCheck& check : limits->products)
            json["limits"]["products"].push_back(
                {{"m", check.m}, {"n", check.n}, {"k", check.k}, {"nmse", check.nmse}});
    }
    if (flags.json) {
        print_out("{}\n", json_text(json));
        return;
    }
    print_out("{:<14} {} threads, kernels for {} (VITRO_ISA chooses among {})\n", "cpu", threads, name(isa_in_use()),
              fmt::join(usable_isas(), ", "));
    if (gpus == 0) print_out("{:<14} none: {}\n", "cuda", why_none);
    for (int device = 0; device < gpus; ++device) print_facts(fmt::format("cuda:{}", device), gpu_facts(device));
    print_out("{:<14} {}\n", "cuda-emulated", emulation_text());
    if (of_cpu) print_out("{}: {}\n", flags.limits, peaks_text(*of_cpu));
    if (!limits) return;
    print_out("{}: reads {:.1f} GB/s, copies {:.1f} GB/s, multiplies {:.3f} TFLOP/s (bf16, {} x {} x {}, {})\n",
              flags.limits, limits->read_bytes_per_second / 1e9, limits->copy_bytes_per_second / 1e9,
              limits->gemm_flops_per_second / 1e12, limits->gemm_size, limits->gemm_size, limits->gemm_size,
              limits->gemm_library);
    for (const ProductCheck& check : limits->products)
        print_out("{}: a product of m = {}, n = {}, k = {} differs from a plain kernel's by nmse {:.1e}\n",
                  flags.limits, check.m, check.n, check.k, check.nmse);
}

}  // namespace

void add_devices(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command =
        line.add("devices", "list the devices that a model can run on\nExample: vitro devices --limits cuda", [flags] {
            devices(*flags);
            return 0;
        });
    command.checked(
        "--limits", [flags](const std::string& text) { take_device(text, flags->limits); },
        "measure this device's limits: memory bandwidth and matrix products", "DEVICE");
    command.flag("--json", flags->json, "print JSON: cpu, cuda, limits");
}

}  // namespace vitro
