#include "ops/check/op_case.h"

#include "backends/cpu/cpu_backend.h"
#include "base/half.h"
#include "graph/program.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

namespace vitro::check {
namespace {

constexpr std::size_t kGuard = 256;  // a multiple of every backend's alignment
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

}  // namespace

GuardedMemory::GuardedMemory(Backend& backend, std::size_t bytes, unsigned char fill, std::size_t guard)
    : backend_(backend), size_(bytes), guard_(guard) {
    const std::size_t all = bytes + 2 * guard;
    if (backend.is_host()) {  // exact, where backends round up
        void* memory = nullptr;
        if (posix_memalign(&memory, backend.alignment(), all) != 0) throw std::bad_alloc();
        memory_ = Buffer(memory, all, [](void* p) { std::free(p); });
    } else {
        memory_ = backend.allocate(all, "an op's check");
    }
    std::vector<std::byte> bytes_before(all, std::byte{fill});
    std::fill_n(bytes_before.begin(), guard, kGuardByte);
    std::fill_n(bytes_before.end() - static_cast<std::ptrdiff_t>(guard), guard, kGuardByte);
    backend.upload(memory_.data(), bytes_before.data(), all);
}

void GuardedMemory::write(const void* host) { backend_.upload(data(), host, size_); }

std::vector<std::byte> GuardedMemory::read() const {
    std::vector<std::byte> host(size_);
    backend_.download(host.data(), data(), size_);
    return host;
}

bool GuardedMemory::guards_intact() const {
    std::vector<std::byte> guards(2 * guard_);
    backend_.download(guards.data(), memory_.data(), guard_);
    backend_.download(guards.data() + guard_, data() + size_, guard_);
    return std::all_of(guards.begin(), guards.end(), [](std::byte b) { return b == kGuardByte; });
}

OpCase::OpCase(const OpDef& op, const Example& example, std::vector<TensorType> input_types, std::uint64_t seed)
    : op_(op),
      example_(example),
      input_types_(with_absent(op, std::span<const TensorType>(input_types), TensorType::none())) {
    example_.attributes.check();
    output_types_ = op.infer(input_types_, example.attributes);
    Random random(seed);
    for (std::size_t i = 0; i < input_types_.size(); ++i) {
        Tensor tensor = tensor_of(input_types_[i], example.symbols);
        input_memory_.emplace_back(static_cast<std::size_t>(tensor.bytes()));
        tensor.data = input_memory_.back().data();
        if (!tensor.absent && (!example.fill || !example.fill(i, tensor, random))) fill_normal(tensor, random);
        inputs_.push_back(tensor);
    }
}

OpCase::Outputs OpCase::execute(Run run, const KernelDef* kernel, Backend& backend, unsigned char poison,
                                bool in_place) {
    std::vector<GuardedMemory> input_memory, output_memory;
    std::vector<Tensor> inputs = inputs_, outputs;
    for (Tensor& tensor : inputs) {
        GuardedMemory& memory = input_memory.emplace_back(backend, static_cast<std::size_t>(tensor.bytes()), 0, 0);
        memory.write(tensor.data);
        tensor.data = tensor.absent ? nullptr : memory.data();
    }
    for (const TensorType& type : output_types_) {
        Tensor& tensor = outputs.emplace_back(tensor_of(type, example_.symbols));
        tensor.data =
            output_memory.emplace_back(backend, static_cast<std::size_t>(tensor.bytes()), poison, kGuard).data();
    }
    std::vector<Alias> shared = op_.aliases;
    if (in_place) shared = {{0, *op_.in_place}};
    for (const auto& [output, input] : shared) {
        output_memory[output].write(inputs_[input].data);
        inputs[input].data = outputs[output].data;
    }

    Call call{inputs, outputs, example_.attributes, backend};
    call.fixed_inputs = ~std::uint64_t{0};
    const GuardedMemory scratch(backend, kernel && kernel->scratch ? kernel->scratch(call) : 0, poison, kGuard);
    call.scratch = {scratch.data(), scratch.size()};
    run(call);
    backend.synchronize();

    const auto complain = [&](std::string what) { complaints_.push_back(describe() + ": " + what); };
    if (!scratch.guards_intact()) complain("wrote outside its scratch");
    for (std::size_t i = 0; i < inputs_.size(); ++i)
        if (input_memory[i].read() != input_memory_[i]) complain(fmt::format("changed input {}", i));
    Outputs written;
    for (const GuardedMemory& output : output_memory) {
        if (!output.guards_intact()) complain(fmt::format("wrote outside output {}", written.size()));
        written.push_back(output.read());
    }
    return written;
}

OpCase::Outputs OpCase::reference() {
    CpuBackend backend(1);
    return execute(op_.reference, nullptr, backend, 0xff, false);
}

OpCase::Outputs OpCase::kernel(const KernelDef& kernel, Backend& backend, unsigned char poison) {
    return execute(kernel.run, &kernel, backend, poison, false);
}

OpCase::Outputs OpCase::kernel_in_place(const KernelDef& kernel, Backend& backend) {
    return execute(kernel.run, &kernel, backend, 0xff, true);
}

std::string OpCase::refused_by(const KernelDef& kernel) const {
    return kernel.refuses ? kernel.refuses(input_types_, output_types_, example_.attributes) : std::string();
}

bool OpCase::can_run_in_place() const {
    return op_.in_place && inputs_[*op_.in_place].bytes() == tensor_of(output_types_[0], example_.symbols).bytes();
}

void OpCase::with_sizes(Backend& backend, const std::function<void(const Call& call)>& body) const {
    std::vector<Tensor> inputs, outputs;
    for (const TensorType& type : input_types_) inputs.push_back(tensor_of(type, example_.symbols));
    for (const TensorType& type : output_types_) outputs.push_back(tensor_of(type, example_.symbols));
    body({inputs, outputs, example_.attributes, backend});
}

Cost OpCase::cost() const {
    Cost cost;
    CpuBackend backend(1);
    with_sizes(backend, [&](const Call& call) { cost = cost_of(op_, call); });
    return cost;
}

bool OpCase::rounds_between(const KernelDef& kernel, Backend& backend) const {
    bool rounds = false;
    if (kernel.rounds_between) with_sizes(backend, [&](const Call& call) { rounds = kernel.rounds_between(call); });
    return rounds;
}

std::string OpCase::describe() const {
    std::string text = std::string(op_.name) + "(";
    for (std::size_t i = 0; i < input_types_.size(); ++i) {
        if (input_types_[i].absent) continue;
        text += i == 0 ? "" : ", ";
        if (input_def(op_, i).is_optional) text += fmt::format("{} = ", input_def(op_, i).name);
        text += to_string(input_types_[i]);
    }
    text += ")";
    for (const auto& [name, value] : example_.attributes.texts()) text += " " + name + "=" + value;
    for (char symbol = 'A'; symbol <= 'Z'; ++symbol)
        if (example_.symbols[symbol] != 0) text += fmt::format(" {}={}", symbol, example_.symbols[symbol]);
    return text;
}

void OpCase::put_special(std::uint64_t seed) {
    const bool has_float_output = std::any_of(output_types_.begin(), output_types_.end(),
                                              [](const TensorType& type) { return is_stored_float(type.dtype); });
    std::vector<std::size_t> candidates;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
        // What chooses an index is data; settings beside it are not.
        if (!has_float_output && !candidates.empty()) break;
        if (is_stored_float(inputs_[i].dtype) && inputs_[i].elements() > 0) candidates.push_back(i);
    }
    if (candidates.empty()) return;
    Random random(seed);
    const Tensor& tensor = inputs_[candidates[std::size_t(random.integer(0, std::ssize(candidates) - 1))]];
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const float kinds[] = {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity};
    dispatch_stored_float(tensor.dtype, [&]<class T>(T) {
        for (std::int64_t n = random.integer(1, 3); n > 0; --n) {
            const float value = kinds[tensor.dtype == DType::f8e4m3 ? 0 : random.integer(0, 2)];
            tensor.as<T>()[random.integer(0, tensor.elements() - 1)] = T(value);
        }
    });
}

std::string special_difference(const TensorType& type, const Elements& expected, const Elements& found,
                               Tolerance tolerance) {
    const bool has_numbers = is_stored_float(type.dtype) || is_block_quantized(type.dtype) || is_rounded(type.dtype);
    if (!has_numbers) return first_difference(type, expected, found, tolerance);
    for (std::int64_t i = 0; i < count(type.dtype, expected); ++i) {
        const double e = element(type.dtype, expected.data(), i), f = element(type.dtype, found.data(), i);
        const bool fits = std::isnan(e)   ? std::isnan(f)
                          : std::isinf(e) ? !std::isfinite(f)
                                          : std::abs(f - e) <= tolerance.absolute + tolerance.relative * std::abs(e);
        if (!fits) return fmt::format("element {} of {}: expected {}, found {}", i, to_string(type), e, f);
    }
    return {};
}

Tolerance kernel_tolerance(DType dtype, const std::vector<std::byte>& expected) {
    // A step of a block is its largest magnitude by 127.
    if (dtype == DType::q8_0) return {0, 1.01 / 127 * largest(dtype, expected)};
    if (!is_stored_float(dtype)) return {0, 0};
    // Below 2^-6 all steps of f8e4m3 are 2^-9.
    const double step = dtype == DType::f8e4m3 ? 0x1p-9 : 0, absolute = step + 2e-5 + 1e-6 * largest(dtype, expected);
    return {dtype == DType::f32 ? 1e-5 : unit(dtype), absolute};
}

Tolerance decomposition_tolerance(DType dtype, const std::vector<std::byte>& expected, DType between) {
    Tolerance tolerance = kernel_tolerance(dtype, expected);
    if (is_stored_float(dtype) && between != DType::f32)
        tolerance.absolute += 4 * unit(between) * largest(dtype, expected);
    return tolerance;
}

std::vector<std::vector<TensorType>> dtype_variants(const OpDef& op, const Example& example) {
    constexpr DType kFloats[] = {DType::f32, DType::f16, DType::bf16, DType::f8e4m3};
    std::vector<std::vector<TensorType>> variants;
    for (const DType first : kFloats) {
        for (const DType others : kFloats) {
            std::vector<TensorType> types =
                with_absent(op, std::span<const TensorType>(example.inputs), TensorType::none());
            bool is_first = true;
            for (TensorType& type : types) {
                if (type.absent || !is_float(type.dtype)) continue;
                type.dtype = is_first ? first : others;
                is_first = false;
            }
            if (std::find(variants.begin(), variants.end(), types) != variants.end()) continue;
            try {
                op.infer(types, example.attributes);
                variants.push_back(std::move(types));
            } catch (const Error&) {
                if (first == others && is_float(first)) fail("{} refuses {} throughout", op.name, name(first));
            }
        }
    }
    return variants;
}

}  // namespace vitro::check
