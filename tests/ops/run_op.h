// Runs one op on small tensors whose values stand in the test.
#pragma once

#include "backends/cpu/cpu_backend.h"
#include "base/half.h"
#include "graph/op_def.h"
#include "ops/op_list.h"

#include <cstring>
#include <string>
#include <vector>

namespace vitro::test {

/// A tensor that owns its memory, exactly as many bytes as it needs.
struct Data {
    TensorType type;
    std::vector<std::byte> memory;

    explicit Data(TensorType t) : type(std::move(t)), memory(static_cast<std::size_t>(bytes_of(type, {}))) {}

    Tensor tensor() const {
        std::vector<std::int64_t> sizes;
        for (const Dim dim : type.shape) sizes.push_back(dim.size);
        return {type.dtype, sizes, const_cast<std::byte*>(memory.data())};
    }
    std::vector<float> floats() const {
        std::vector<float> out;
        for (std::int64_t i = 0; i < tensor().elements(); ++i)
            out.push_back(dispatch(type.dtype, [&]<class T>(T) { return static_cast<float>(tensor().as<T>()[i]); }));
        return out;
    }
};

inline Data data(DType dtype, Shape shape, const std::vector<float>& values) {
    Data out({dtype, std::move(shape)});
    VITRO_CHECK(std::ssize(values) == out.tensor().elements());
    dispatch(dtype, [&]<class T>(T) {
        for (std::size_t i = 0; i < values.size(); ++i) out.tensor().as<T>()[i] = T(values[i]);
    });
    return out;
}
inline Data floats(Shape shape, const std::vector<float>& values) { return data(DType::f32, std::move(shape), values); }
inline Data ints(const std::vector<float>& values) { return data(DType::i32, {std::ssize(values)}, values); }

/// 0, 1, 2, …
inline Data counting(Shape shape, DType dtype = DType::f32) {
    Data out({dtype, std::move(shape)});
    dispatch(dtype, [&]<class T>(T) {
        for (std::int64_t i = 0; i < out.tensor().elements(); ++i) out.tensor().as<T>()[i] = T(float(i));
    });
    return out;
}

/// Outputs of the CPU's kernel on `threads` threads, or of the reference with 0. C is the value of that symbol.
inline std::vector<Data> run_op(const OpDef& op, const std::vector<Data>& inputs, const Attributes& attributes,
                                int threads, std::int64_t c = 0) {
    std::vector<TensorType> types;
    std::vector<Tensor> in, out;
    for (const Data& input : inputs) {
        types.push_back(input.type);
        in.push_back(input.type.absent ? Tensor::none() : input.tensor());
    }
    std::vector<Data> outputs;
    types = with_absent(op, std::span<const TensorType>(types), TensorType::none());
    in = with_absent(op, std::span<const Tensor>(in), Tensor::none());
    for (TensorType type : op.infer(types, attributes)) {
        for (Dim& dim : type.shape)
            if (dim == Dim('C')) dim = c;
        outputs.emplace_back(type);
        std::memset(outputs.back().memory.data(), 0xff, outputs.back().memory.size());
    }
    for (const auto& [output, input] : op.aliases) {
        outputs[output].memory = inputs[input].memory;
        in[input] = outputs[output].tensor();
    }
    for (const Data& output : outputs) out.push_back(output.tensor());

    CpuBackend backend(std::max(1, threads));
    Call call{in, out, attributes, backend};
    if (threads == 0) {
        op.reference(call);
        return outputs;
    }
    const KernelDef* kernel = find_kernel(cpu_kernels(), op.name);
    if (kernel == nullptr) fail("no kernel for {}", op.name);
    const std::size_t bytes = kernel->scratch ? kernel->scratch(call) : 0;
    const Buffer scratch = backend.allocate(bytes, "scratch");  // aligned as a program's
    call.scratch = {scratch.data(), bytes};
    kernel->run(call);
    return outputs;
}

/// The text of the error with which `op` refuses these types, or "accepted".
inline std::string refusal(const OpDef& op, const std::vector<TensorType>& inputs, const Attributes& attributes) {
    try {
        attributes.check();
        op.infer(with_absent(op, std::span<const TensorType>(inputs), TensorType::none()), attributes);
        return "accepted";
    } catch (const Error& error) {
        return error.what();
    }
}

}  // namespace vitro::test
