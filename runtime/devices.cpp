#include "runtime/devices.h"

#include "backends/cpu/cpu_backend.h"
#include "ops/cuda_kernels.h"
#include "ops/op_list.h"
#include "runtime/emulated_cuda.h"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace vitro {
namespace {

/// The GPU's part of a build: absent without nvcc.
#if VITRO_HAS_CUDA
int gpus_there(std::string& why_none) { return cuda::count_devices(why_none); }
DeviceFacts facts_of(int gpu) { return cuda::device_facts(gpu); }
std::unique_ptr<Backend> open_gpu(int device) { return cuda::make_backend(device); }
std::span<const KernelDef> gpu_kernels() { return cuda::kernels(); }
DeviceLimits gpu_limits(Backend& backend, std::size_t bytes, std::int64_t n) {
    return cuda::measure_limits(backend, bytes, n);
}
double gpu_seconds(Backend& backend, const std::function<void()>& queue) { return cuda::seconds_of(backend, queue); }
#else
int gpus_there(std::string& why_none) {
    why_none =
        "this program was built without CUDA (./dev build --cuda); cuda-emulated runs the same kernels on the CPU, "
        "slowly";
    return 0;
}
DeviceFacts facts_of(int) { return {}; }
std::unique_ptr<Backend> open_gpu(int) {
    std::string why_none;
    gpus_there(why_none);
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

/// The CPU's kernels with the references of their ops in their places, so that programs are those of the kernels.
std::vector<KernelDef> references() {
    std::vector<KernelDef> out(cpu_kernels().begin(), cpu_kernels().end());
    for (KernelDef& kernel : out) {
        kernel.run = find_op(kernel.op)->reference;
        kernel.scratch = nullptr;
    }
    return out;
}

std::span<const KernelDef> kernels_of_cpu(std::string_view choice) {
    if (choice.empty()) return cpu_kernels();
    if (choice == "reference") {
        static const std::vector<KernelDef> all = references();
        return all;
    }
    std::vector<Isa> compiled;
    for (const IsaKernels& row : isa_kernels()) compiled.push_back(row.isa);
    const Isa isa = choose_isa(compiled, choice, runs, "the CPU's kernels");
    return std::find_if(isa_kernels().begin(), isa_kernels().end(),
                        [&](const IsaKernels& row) { return row.isa == isa; })
        ->kernels();
}

}  // namespace

Devices open_devices(std::string_view device, int threads, std::string_view of_cpu) {
    Devices out;
    const auto add = [&](std::unique_ptr<Backend> backend, std::span<const KernelDef> kernels) {
        out.targets.push_back({*backend, kernels});
        out.backends.push_back(std::move(backend));
    };
    const auto add_with_plugins = [&](std::unique_ptr<Backend> backend, std::span<const KernelDef> kernels) {
        const std::span<const KernelDef> more = added_gpu_kernels(backend->name());
        out.gpu_kernels.assign(kernels.begin(), kernels.end());
        out.gpu_kernels.insert(out.gpu_kernels.end(), more.begin(), more.end());
        add(std::move(backend), out.gpu_kernels);
    };
    const auto add_gpu = [&](int number) { add_with_plugins(open_gpu(number), gpu_kernels()); };
    std::string why_none;
    if (device == kEmulated)
        add_with_plugins(emulated_cuda().make_backend(0), emulated_cuda().kernels());
    else if (const std::optional<int> number = gpu_number(device))
        add_gpu(*number);
    else if (device != "auto" && device != "cpu")
        fail("device: {}", why_no_device(std::string(device)));
    else if (device == "auto" && count_gpus(why_none) > 0) {
        try {
            add_gpu(0);
        } catch (const Error& error) {
            out.warnings.push_back(fmt::format("the GPU is not used: {}", error.what()));
        }
    }
    add(std::make_unique<CpuBackend>(threads), kernels_of_cpu(of_cpu));
    return out;
}

std::string why_no_device(const std::string& name) {
    if (name == "auto" || name == "cpu" || name == kEmulated || gpu_number(name)) return {};
    return "expected auto, cpu, cuda, cuda:N or cuda-emulated, found '" + name + "'";
}

int count_gpus(std::string& why_none) { return gpus_there(why_none); }
DeviceFacts gpu_facts(int gpu) { return facts_of(gpu); }

DeviceLimits measure_limits(Backend& backend) {
    if (backend.is_host()) fail("the limits of {}: expected a GPU or the emulation of one", backend.description());
    if (backend.name() == kEmulated) return emulated_cuda().measure_limits(backend, std::size_t{1} << 16, 32);
    return gpu_limits(backend, std::size_t{4} << 30, 8192);
}

double seconds_of(Backend& backend, const std::function<void()>& queue) {
    if (backend.name() == kEmulated) return emulated_cuda().seconds_of(backend, queue);
    if (!backend.is_host()) return gpu_seconds(backend, queue);
    const auto start = std::chrono::steady_clock::now();
    queue();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace vitro
