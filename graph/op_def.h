// An op as the compiler knows it: types in, types out, meaning, cost. Kernels are listed apart, one list a backend.
#pragma once

#include "backends/backend.h"
#include "base/random.h"
#include "base/tensor.h"
#include "graph/attributes.h"
#include "graph/shape.h"

#include <algorithm>
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
    /// One for each of OpDef::inputs, in their order; an optional one that is not given is Tensor::none().
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
    /// Whether an optional input is given.
    bool has(std::size_t i) const { return !inputs[i].absent; }
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
    /// TensorType::none() for optional inputs that are not given; those at the end may be left out. Inputs of a float
    /// type are tried in every float type that the op takes.
    std::vector<TensorType> inputs;
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

/// What an input says. Those of i32 that are indices or describe the step's sequences say here which numbers are valid:
/// graph/index_check.h makes up and checks such numbers for every op alike, so that no kernel has to.
enum class InputRole : std::uint8_t {
    values,     // any numbers; a row-wise op reads row r of it for row r of its outputs
    shared,     // any numbers; a row-wise op reads all of it for every row: a weight, a table
    rows,       // indices of rows of the input `of`: token ids, wanted rows
    positions,  // [T], of each token the position in its sequence, for which the sequence's pages, if there are, have
                // room
    sequences,  // [T], of each token the sequence: an index of a row of the input `of`, which has one for each
    pages,      // [S, M], of each sequence the pages that hold it, in order: indices of rows of the cache `of`
    lengths,    // [S], of each sequence how many of its positions the caches hold, for which its pages have room
    total_lengths,  // [S], of each sequence how long it is, of which the op reads no memory: any number of at least 0
};

/// An input of an op: `"x"` alone is one of role `values` that must be given.
struct InputDef {
    std::string_view name;
    InputRole role = InputRole::values;
    std::string_view of{};  // the input that indices are into, by name
    bool is_optional = false;
    Dim (*sum)(const Attributes& attributes) = nullptr;  // of lengths: what they add up to; null: anything

    constexpr InputDef(const char* input, InputRole its_role = InputRole::values, std::string_view indexed = {})
        : name(input), role(its_role), of(indexed) {}

    /// The same input where it need not be given. Optional inputs come after all others.
    constexpr InputDef optional() const {
        InputDef copy = *this;
        copy.is_optional = true;
        return copy;
    }
    /// Lengths with this sum.
    constexpr InputDef summing_to(Dim (*total)(const Attributes& attributes)) const {
        InputDef copy = *this;
        copy.sum = total;
        return copy;
    }
};

/// How outputs follow from inputs, for passes that move ops past each other.
enum class Locality : std::uint8_t {
    none,  // nothing is promised
    rows,  // matrix in, matrix out: row r of the outputs depends on row r of the inputs of role `values` that have as
           // many dimensions, and on all else as a whole
    elements,  // the same of single elements
    moves,     // the elements of output 0 are elements of the inputs of role `values`, of any type, elsewhere
};

struct OpDef {
    std::string_view name;
    /// Meaning, with shapes: `y[..., i] = x[..., i] / rms(x[..., :]) * weight[i]`.
    std::string_view doc;
    /// The inputs in order; those that are optional last.
    std::vector<InputDef> inputs;
    /// Any number of inputs of the last name (concat).
    bool variadic = false;
    Locality locality = Locality::none;
    /// Two inputs, which may change places.
    bool commutes = false;

    /// Types of the outputs; optional inputs that are not given are TensorType::none(). Throws Error with what was
    /// expected and found; the builder adds op, path, types and the line of the model. The ranges of attributes have
    /// been checked (Attributes::check).
    std::vector<TensorType> (*infer)(std::span<const TensorType> inputs, const Attributes& attributes);
    /// Whether output 0 is input 0, element by element, with these types and attributes. Null: never known.
    bool (*is_identity)(std::span<const TensorType> inputs, std::span<const TensorType> outputs,
                        const Attributes& attributes) = nullptr;
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

/// OpDef::is_identity of an op that changes nothing when it keeps the type of its input.
bool keeps_type(std::span<const TensorType> inputs, std::span<const TensorType> outputs, const Attributes& attributes);

/// The definition of input `i` of a node, also of those beyond the last name of a variadic op.
inline const InputDef& input_def(const OpDef& op, std::size_t i) {
    return op.inputs[std::min(i, op.inputs.size() - 1)];
}
/// The index of the input with this name; -1 when there is none.
int input_index(const OpDef& op, std::string_view name);
/// The names of the inputs, in order.
std::vector<std::string_view> input_names(const OpDef& op);
/// How many inputs must be given: the first ones.
std::size_t required_inputs(const OpDef& op);
/// `all` with `none` for the inputs at the end that are missing in it.
template <class T>
std::vector<T> with_absent(const OpDef& op, std::span<const T> all, const T& none) {
    std::vector<T> out(all.begin(), all.end());
    if (!op.variadic && out.size() < op.inputs.size()) out.resize(op.inputs.size(), none);
    return out;
}

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
    /// The dtype in which it would rather have input `input` of a call of these types, where a pass may choose: a
    /// weight packed (base/packed.h), activations rounded (base/rounded.h). Null: as they are.
    DType (*prefers)(std::size_t input, std::span<const TensorType> inputs, const Attributes& attributes) = nullptr;
};

}  // namespace vitro
