// Calls of a CPU kernel and of the reference on values written by hand.
#pragma once

#include "backends/cpu/cpu_backend.h"
#include "base/half.h"
#include "graph/op_def.h"

#include <vector>

namespace vitro::testing {

/// A tensor that owns its elements, given and read as fp32 whatever the dtype.
class HandTensor {
public:
    HandTensor(DType dtype, std::vector<std::int64_t> sizes, const std::vector<float>& values = {}) {
        tensor_ = Tensor(dtype, sizes, nullptr);
        memory_.resize(static_cast<std::size_t>(tensor_.bytes()));
        dispatch(dtype, [&]<class T>(T) {
            for (std::size_t i = 0; i < values.size(); ++i) reinterpret_cast<T*>(memory_.data())[i] = T(values[i]);
        });
    }

    Tensor tensor() {
        tensor_.data = memory_.data();
        return tensor_;
    }
    std::vector<float> values() {
        std::vector<float> out;
        dispatch(tensor_.dtype, [&]<class T>(T) {
            for (std::int64_t i = 0; i < tensor_.elements(); ++i) out.push_back(float(tensor().as<T>()[i]));
        });
        return out;
    }

private:
    Tensor tensor_;
    std::vector<std::byte> memory_;
};

/// What the kernel makes of these inputs, into an output like `out`.
inline std::vector<float> run_kernel(const KernelDef& kernel, std::vector<HandTensor> inputs, HandTensor out,
                                     const Attributes& attributes = NoAttributes{}) {
    CpuBackend backend(2);
    std::vector<Tensor> in;
    for (HandTensor& input : inputs) in.push_back(input.tensor());
    const Tensor output = out.tensor();
    kernel.run({in, std::span(&output, 1), attributes, backend});
    return out.values();
}

/// The same of the reference.
inline std::vector<float> run_reference(const OpDef& op, std::vector<HandTensor> inputs, HandTensor out,
                                        const Attributes& attributes = NoAttributes{}) {
    return run_kernel({op.name, op.reference}, std::move(inputs), std::move(out), attributes);
}

}  // namespace vitro::testing
