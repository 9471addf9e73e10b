// A device whose memory the host cannot reach, made of host memory: its addresses are marked, so that whoever follows
// one directly crashes. It has kernels for a few ops: their references, behind the mark.
#pragma once

#include "backends/cpu/cpu_backend.h"
#include "graph/op_def.h"
#include "ops/add/add.h"
#include "ops/matmul/matmul.h"
#include "ops/mul/mul.h"
#include "ops/rms_norm/rms_norm.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace vitro::test {

class FarDevice final : public Backend {
public:
    std::string_view name() const override { return "far"; }
    std::size_t alignment() const override { return 256; }
    bool is_host() const override { return false; }
    Buffer allocate(std::size_t bytes, std::string_view what) override {
        count_allocated(bytes);
        live_ += bytes;
        peak_ = std::max(peak_, live_);
        auto memory = std::make_shared<Buffer>(host_.allocate(bytes + alignment(), what));
        const auto address = (reinterpret_cast<std::uintptr_t>(memory->data()) + 255) / 256 * 256;
        return {reinterpret_cast<void*>(address | kMark), bytes, [this, bytes, memory](void*) { live_ -= bytes; }};
    }
    Buffer allocate_staging(std::size_t bytes, std::string_view what) override {
        count_staging(bytes);
        return host_.allocate(bytes, what);
    }
    void upload(void* device, const void* host, std::size_t bytes) override {
        ++uploads;
        if (bytes > 0) std::memcpy(reached(device), host, bytes);
    }
    void queue_copy(void* to, const void* from, std::size_t bytes) override { std::memcpy(reached(to), reached(from), bytes); }
    void download(void* host, const void* device, std::size_t bytes) override {
        ++downloads;
        if (bytes > 0) std::memcpy(host, reached(device), bytes);
    }
    void synchronize() override {}
    std::unique_ptr<Stopwatch> make_stopwatch(std::size_t points) override { return host_.make_stopwatch(points); }

    /// The host address behind a device address.
    static void* reached(const void* device) {
        const auto address = reinterpret_cast<std::uintptr_t>(device);
        VITRO_CHECK(device == nullptr || (address & kMark) != 0, "not an address of this device");
        return reinterpret_cast<void*>(address & ~kMark);
    }

    /// The most that was allocated at one time, without staging.
    std::size_t peak_bytes() const { return peak_; }

    int uploads = 0, downloads = 0;

private:
    static constexpr std::uintptr_t kMark = std::uintptr_t{1} << 62;
    CpuBackend host_{1};
    std::size_t live_ = 0, peak_ = 0;
};

/// A kernel of the far device: the op's reference.
template <const OpDef* op>
KernelDef far_kernel() {
    return {.op = op->name, .run = [](const Call& call) {
                std::vector<Tensor> inputs(call.inputs.begin(), call.inputs.end());
                std::vector<Tensor> outputs(call.outputs.begin(), call.outputs.end());
                for (auto* tensors : {&inputs, &outputs})
                    for (Tensor& tensor : *tensors) tensor.data = FarDevice::reached(tensor.data);
                op->reference({inputs, outputs, call.attributes, call.backend});
            }};
}

/// The far device has these kernels only.
inline std::span<const KernelDef> far_kernels() {
    static const KernelDef kernels[] = {far_kernel<&kAdd>(), far_kernel<&kMatmul>(), far_kernel<&kMul>(),
                                        far_kernel<&kRmsNorm>()};
    return kernels;
}

}  // namespace vitro::test
