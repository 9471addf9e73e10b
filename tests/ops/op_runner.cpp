#include "tests/ops/op_runner.h"

#include "base/half.h"
#include "graph/program.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>

namespace vitro::test {
namespace {

constexpr std::size_t kAlignment = 64, kGuard = 64;
constexpr std::byte kGuardByte{0xa5};

void fill_normal(const Tensor& tensor, Random& random) {
    dispatch(tensor.dtype, [&]<class T>(T) {
        for (std::int64_t i = 0; i < tensor.elements(); ++i) {
            if constexpr (std::is_same_v<T, std::int32_t>)
                tensor.as<T>()[i] = static_cast<std::int32_t>(random.integer(-1000, 1000));
            else
                tensor.as<T>()[i] = T(random.normal());
        }
    });
}

double element(DType dtype, const std::byte* data, std::int64_t i) {
    return dispatch(dtype, [&]<class T>(T) { return static_cast<double>(float(reinterpret_cast<const T*>(data)[i])); });
}

std::int64_t count(DType dtype, const std::vector<std::byte>& bytes) {
    return static_cast<std::int64_t>(bytes.size()) / info(dtype).block_bytes;
}

/// The largest finite magnitude.
double largest(DType dtype, const std::vector<std::byte>& bytes) {
    double found = 0;
    for (std::int64_t i = 0; i < count(dtype, bytes); ++i) {
        const double magnitude = std::abs(element(dtype, bytes.data(), i));
        if (std::isfinite(magnitude)) found = std::max(found, magnitude);
    }
    return found;
}

/// One unit in the last place of a half type, relative to the value.
double unit(DType dtype) { return dtype == DType::f16 ? 0x1p-10 : 0x1p-7; }

}  // namespace

GuardedMemory::GuardedMemory(std::size_t bytes, unsigned char fill, std::size_t guard) : size_(bytes), guard_(guard) {
    void* memory = nullptr;
    if (posix_memalign(&memory, kAlignment, bytes + 2 * guard) != 0) throw std::bad_alloc();
    data_ = static_cast<std::byte*>(memory) + guard;
    std::fill_n(data_ - guard, guard, kGuardByte);
    std::fill_n(data_, size_, std::byte{fill});
    std::fill_n(data_ + size_, guard, kGuardByte);
}

GuardedMemory::~GuardedMemory() {
    if (data_ != nullptr) std::free(data_ - guard_);
}

GuardedMemory::GuardedMemory(GuardedMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(other.size_), guard_(other.guard_) {}

bool GuardedMemory::guards_intact() const {
    const auto intact = [&](const std::byte* p) {
        return std::all_of(p, p + guard_, [](std::byte b) { return b == kGuardByte; });
    };
    return intact(data_ - guard_) && intact(data_ + size_);
}

OpCase::OpCase(const OpDef& op, const Example& example, std::vector<TensorType> input_types, std::uint64_t seed)
    : op_(op), example_(example), input_types_(std::move(input_types)) {
    output_types_ = op.infer(input_types_, example.attributes);
    Random random(seed);
    for (std::size_t i = 0; i < input_types_.size(); ++i) {
        Tensor tensor = tensor_of(input_types_[i], example.symbols);
        input_memory_.emplace_back(static_cast<std::size_t>(tensor.bytes()), 0, 0);
        tensor.data = input_memory_.back().data();
        if (!example.fill || !example.fill(i, tensor, random)) fill_normal(tensor, random);
        inputs_.push_back(tensor);
    }
}

OpCase::Outputs OpCase::execute(Run run, const KernelDef* kernel, CpuBackend& backend, unsigned char poison,
                                bool in_place) {
    std::vector<GuardedMemory> memory;
    std::vector<Tensor> inputs = inputs_, outputs;
    for (std::size_t i = 0; i < output_types_.size(); ++i) {
        outputs.push_back(tensor_of(output_types_[i], example_.symbols));
        memory.emplace_back(static_cast<std::size_t>(outputs[i].bytes()), poison, kGuard);
        outputs[i].data = memory[i].data();
    }
    std::vector<Alias> shared = op_.aliases;
    if (in_place) shared = {{0, *op_.in_place}};
    for (const auto& [output, input] : shared) {
        std::memcpy(outputs[output].data, inputs[input].data, memory[output].bytes().size());
        inputs[input].data = outputs[output].data;
    }
    std::vector<std::vector<std::byte>> before;
    for (const Tensor& tensor : inputs_)
        before.emplace_back(tensor.as<std::byte>(), tensor.as<std::byte>() + tensor.bytes());

    Call call{inputs, outputs, example_.attributes, backend};
    const GuardedMemory scratch(kernel && kernel->scratch ? kernel->scratch(call) : 0, poison, kGuard);
    call.scratch = scratch.bytes();
    run(call);

    CHECK_MESSAGE(scratch.guards_intact(), describe(), ": wrote outside its scratch");
    for (std::size_t i = 0; i < inputs_.size(); ++i)
        CHECK_MESSAGE(std::equal(before[i].begin(), before[i].end(), inputs_[i].as<std::byte>()), describe(),
                      ": changed input ", i);
    Outputs written;
    for (const GuardedMemory& output : memory) {
        CHECK_MESSAGE(output.guards_intact(), describe(), ": wrote outside an output");
        written.emplace_back(output.bytes().begin(), output.bytes().end());
    }
    return written;
}

OpCase::Outputs OpCase::reference() {
    CpuBackend backend(1);
    return execute(op_.reference, nullptr, backend, 0xff, false);
}

OpCase::Outputs OpCase::kernel(const KernelDef& kernel, CpuBackend& backend, unsigned char poison) {
    return execute(kernel.run, &kernel, backend, poison, false);
}

OpCase::Outputs OpCase::kernel_in_place(const KernelDef& kernel, CpuBackend& backend) {
    return execute(kernel.run, &kernel, backend, 0xff, true);
}

bool OpCase::can_run_in_place() const {
    return op_.in_place && inputs_[*op_.in_place].bytes() == tensor_of(output_types_[0], example_.symbols).bytes();
}

Cost OpCase::cost() {
    CpuBackend backend(1);
    std::vector<Tensor> outputs;
    for (const TensorType& type : output_types_) outputs.push_back(tensor_of(type, example_.symbols));
    std::vector<Tensor> inputs;
    for (const TensorType& type : input_types_) inputs.push_back(tensor_of(type, example_.symbols));
    return cost_of(op_, {inputs, outputs, example_.attributes, backend});
}

std::string OpCase::describe() const {
    std::string text = std::string(op_.name) + "(";
    for (std::size_t i = 0; i < input_types_.size(); ++i) text += (i ? ", " : "") + to_string(input_types_[i]);
    text += ")";
    for (const auto& [name, value] : example_.attributes.texts()) text += " " + name + "=" + value;
    for (char symbol = 'A'; symbol <= 'Z'; ++symbol)
        if (example_.symbols[symbol] != 0) text += fmt::format(" {}={}", symbol, example_.symbols[symbol]);
    return text;
}

Tolerance kernel_tolerance(DType dtype, const std::vector<std::byte>& expected) {
    if (!is_float(dtype)) return {0, 0};
    const double absolute = 2e-5 + 1e-6 * largest(dtype, expected);
    return {dtype == DType::f32 ? 1e-5 : unit(dtype), absolute};
}

Tolerance decomposition_tolerance(DType dtype, const std::vector<std::byte>& expected) {
    Tolerance tolerance = kernel_tolerance(dtype, expected);
    if (is_float(dtype) && dtype != DType::f32) tolerance.absolute += 4 * unit(dtype) * largest(dtype, expected);
    return tolerance;
}

std::string first_difference(const TensorType& type, const std::vector<std::byte>& expected,
                             const std::vector<std::byte>& found, Tolerance tolerance) {
    if (expected.size() != found.size()) return "sizes differ";
    const auto [relative, absolute] = tolerance;
    for (std::int64_t i = 0; i < count(type.dtype, expected); ++i) {
        const double e = element(type.dtype, expected.data(), i), f = element(type.dtype, found.data(), i);
        const bool near = e == f || std::abs(f - e) <= absolute + relative * std::abs(e);
        if (!near || std::isinf(e) != std::isinf(f))
            return fmt::format("element {} of {}: expected {}, found {}", i, to_string(type), e, f);
    }
    return {};
}

std::vector<std::vector<TensorType>> dtype_variants(const OpDef& op, const Example& example) {
    constexpr DType kFloats[] = {DType::f32, DType::f16, DType::bf16};
    std::vector<std::vector<TensorType>> variants;
    for (const DType first : kFloats) {
        for (const DType others : kFloats) {
            std::vector<TensorType> types = example.inputs;
            bool is_first = true;
            for (TensorType& type : types) {
                if (!is_float(type.dtype)) continue;
                type.dtype = is_first ? first : others;
                is_first = false;
            }
            if (std::find(variants.begin(), variants.end(), types) != variants.end()) continue;
            try {
                op.infer(types, example.attributes);
                variants.push_back(std::move(types));
            } catch (const Error&) {
                CHECK_MESSAGE(first != others, op.name, " refuses ", name(first), " throughout");
            }
        }
    }
    return variants;
}

}  // namespace vitro::test
