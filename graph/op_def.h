// An op as the compiler knows it: types in, types out, meaning, cost. Kernels are listed apart, one list a backend.
#pragma once

#include "backends/backend.h"
#include "base/random.h"
#include "base/tensor.h"
#include "graph/attributes.h"
#include "graph/shape.h"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

class Builder;
struct Value;

/// One execution of an op: true sizes, memory, attributes. Kernels only read inputs and write every element of outputs.
struct Call {
    std::span<const Tensor> inputs;
    std::span<const Tensor> outputs;
    const Attributes& attributes;
    Backend& backend;
    std::span<std::byte> scratch{};  // at least KernelDef::scratch bytes, contents undefined
    /// Weights that the next step on this device reads, the largest of its inputs: a kernel that leaves the memory idle
    /// may bring them nearer.
    std::span<const std::byte> next_weights{};
    /// Bit i: input i is a weight or a constant, which no step writes: a kernel may read it before the one in front has
    /// ended.
    std::uint64_t fixed_inputs = 0;

    const Tensor& in(std::size_t i) const { return inputs[i]; }
    const Tensor& out(std::size_t i = 0) const { return outputs[i]; }
    bool is_fixed(std::size_t i) const { return i < 64 && (fixed_inputs >> i & 1) != 0; }
};

/// Work of one execution: bytes that must move (each input read once, each output written once, unless an op knows
/// better) and floating-point operations.
struct Cost {
    std::int64_t bytes = 0;
    std::int64_t flops = 0;
};

/// A representative call, for the checks that run over every op (tests/ops).
struct Example {
    std::vector<TensorType> inputs;  // float inputs are tried in every float dtype where `free_dtypes` says so
    Attributes attributes;
    SymbolValues symbols;
    /// Writes input `index` (i32 inputs, states, anything that must be valid). False: fill with normal random numbers.
    std::function<bool(std::size_t index, const Tensor& tensor, Random& random)> fill = nullptr;
};

/// Output `output` of an op is the memory of its input `input`.
struct Alias {
    std::size_t output = 0;
    std::size_t input = 0;
    bool operator==(const Alias&) const = default;
};

struct OpDef {
    std::string_view name;
    /// Meaning, with shapes: `y[..., i] = x[..., i] / rms(x[..., :]) * weight[i]`.
    std::string_view doc;
    /// Names of the inputs in order, for dumps and errors; those from `optional_from` on may be left out.
    std::vector<std::string_view> inputs;
    std::size_t optional_from = static_cast<std::size_t>(-1);
    /// Any number of inputs of the last name (concat).
    bool variadic = false;

    /// Types of the outputs. Throws Error with what was expected and found; the builder adds op, path, types and place.
    std::vector<TensorType> (*infer)(std::span<const TensorType> inputs, const Attributes& attributes);
    /// Attributes from text; Attributes::parse<TheStruct>.
    Attributes (*parse_attributes)(const AttributeTexts& texts) = &Attributes::parse<NoAttributes>;
    /// The plainest correct code, in fp32 or better, on host memory.
    void (*reference)(const Call& call);
    /// Work of a call (data pointers may be null). Null: bytes of inputs and outputs, no flops.
    Cost (*cost)(const Call& call) = nullptr;
    /// Calls to test with, `random` decides odd sizes.
    std::vector<Example> (*examples)(Random& random);

    /// Output 0 may be written over input `in_place` when that one is not read again and has the same bytes.
    std::optional<std::size_t> in_place{};
    /// Whether the output is, byte for byte, its inputs one behind the other. Then an input may stand in its place
    /// within the output already, and kernels leave it as it is. Null: never.
    bool (*joins_inputs)(std::span<const TensorType> inputs, const Attributes& attributes) = nullptr;
    /// Outputs that *are* the memory of an input: a view (reshape), or the next state of a cache (kv_append).
    std::vector<Alias> aliases{};
    /// With an alias: nothing has to run.
    bool is_view = false;
    /// A fused op's meaning in simpler ops; null for primitives.
    std::vector<Value> (*decompose)(Builder& builder, std::span<const Value> inputs,
                                    const Attributes& attributes) = nullptr;
};

/// The op's cost, also where the definition leaves it to the default.
Cost cost_of(const OpDef& op, const Call& call);

/// A kernel of one backend for one op.
struct KernelDef {
    std::string_view op;
    void (*run)(const Call& call);
    /// Why the kernel does not take these types, or empty. Null: it takes everything that infer accepts.
    std::string (*refuses)(std::span<const TensorType> inputs, std::span<const TensorType> outputs,
                           const Attributes& attributes) = nullptr;
    /// Bytes of scratch it wants for sizes up to these (data pointers are null). Null: none.
    std::size_t (*scratch)(const Call& call) = nullptr;
    /// Whether it rounds what stands between its parts to the inputs' dtype, as the op's decomposition would; the
    /// checks then have that one's tolerance. Null: never.
    bool (*rounds_between)(const Call& call) = nullptr;
};

}  // namespace vitro
