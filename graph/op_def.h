// An op as the compiler knows it: types in, types out, meaning, cost. Kernels are listed elsewhere, in one list per
// backend.
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

/// One execution of an op: sizes as numbers, memory, attributes. Kernels only read the inputs, and write every element
/// of the outputs.
struct Call {
    /// One for each of OpDef::inputs, in their order; an optional one that is not given is Tensor::none().
    std::span<const Tensor> inputs;
    std::span<const Tensor> outputs;
    const Attributes& attributes;
    Backend& backend;
    std::span<std::byte> scratch{};  // at least KernelDef::scratch bytes, contents undefined
    /// The largest weight that the next step on this device reads: a kernel that does not use the full memory bandwidth
    /// may prefetch it.
    std::span<const std::byte> next_weights{};
    /// Bit i is set when a kernel may read input i before the kernel in front has ended: a weight, a constant, an input
    /// of the program; of a cache the rows that no token of this step has (graph/early_inputs.h).
    std::uint64_t fixed_inputs = 0;

    const Tensor& in(std::size_t i) const { return inputs[i]; }
    /// Whether an optional input is given.
    bool has(std::size_t i) const { return !inputs[i].absent; }
    const Tensor& out(std::size_t i = 0) const { return outputs[i]; }
    bool is_fixed(std::size_t i) const { return i < 64 && (fixed_inputs >> i & 1) != 0; }
};

/// Work of one execution: bytes that must move (by default, each input is read once and each output written once) and
/// floating-point operations.
struct Cost {
    std::int64_t bytes = 0;
    std::int64_t flops = 0;
};

/// A representative call, for the checks that run on every op (ops/check, tests/ops).
struct Example {
    /// TensorType::none() stands for an optional input that is not given; at the end these may be left out. Inputs of a
    /// float type are tried in every float type that the op accepts.
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

/// What an input means. For i32 inputs that are indices or describe the step's sequences, the role says which numbers
/// are valid: graph/index_check.h generates and checks such numbers in the same way for every op, so that no kernel has
/// to.
enum class InputRole : std::uint8_t {
    values,     // any numbers; a row-wise op reads row r of it for row r of its outputs
    shared,     // any numbers; a row-wise op reads all of it for every row: a weight, a table
    rows,       // indices of rows of the input `of`: token ids, wanted rows
    positions,  // [T]: the position of each token in its sequence; less than what the sequence's pages, if any, can
                // hold
    sequences,  // [T]: the sequence of each token, as an index of a row of the input `of`, which has a row per sequence
    pages,      // [S, M]: the pages of each sequence, in order, as indices of rows of the cache `of`
    lengths,    // [S]: how many positions of each sequence the caches hold; at most what its pages can hold
    total_lengths,  // [S]: the length of each sequence, any number of at least 0; it does not decide what memory is
                    // read
};

/// An input of an op: `"x"` alone means an input of role `values` that must be given.
struct InputDef {
    std::string_view name;
    InputRole role = InputRole::values;
    std::string_view of{};  // for indices: the name of the input that they index
    bool is_optional = false;
    Dim (*sum)(const Attributes& attributes) = nullptr;  // for lengths: what they must add up to; null: any sum

    constexpr InputDef(const char* input, InputRole its_role = InputRole::values, std::string_view indexed = {})
        : name(input), role(its_role), of(indexed) {}

    /// The same input, but optional. Optional inputs come after all others.
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

/// Which parts of the inputs each part of the outputs depends on, for passes that move ops past each other.
enum class Locality : std::uint8_t {
    none,  // nothing is promised
    rows,  // matrix in, matrix out: row r of the outputs depends only on row r of the inputs that have role `values`
           // and as many dimensions as the output, and on all other inputs as a whole
    elements,  // the same for single elements instead of rows
    moves,     // the elements of output 0 are elements of the inputs of role `values`, of any type, at other places
};

struct OpDef {
    std::string_view name;
    /// Meaning, with shapes: `y[..., i] = x[..., i] / rms(x[..., :]) * weight[i]`.
    std::string_view doc;
    /// The inputs in order; those that are optional last.
    std::vector<InputDef> inputs;
    /// Whether the last input may be given any number of times (concat).
    bool variadic = false;
    Locality locality = Locality::none;
    /// Two inputs, which may change places.
    bool commutes = false;

    /// Types of the outputs; optional inputs that are not given are TensorType::none(). Throws an Error that says what
    /// was expected and found; the builder adds op, path, types and the line of the model. The ranges of attributes
    /// have already been checked (Attributes::check).
    std::vector<TensorType> (*infer)(std::span<const TensorType> inputs, const Attributes& attributes);
    /// Whether output 0 equals input 0, element by element, with these types and attributes. Null: not known.
    bool (*is_identity)(std::span<const TensorType> inputs, std::span<const TensorType> outputs,
                        const Attributes& attributes) = nullptr;
    /// Reads attributes from text; Attributes::parse<TheStruct>.
    Attributes (*parse_attributes)(const AttributeTexts& texts) = &Attributes::parse<NoAttributes>;
    /// The plainest correct code, in fp32 or better, on host memory.
    void (*reference)(const Call& call);
    /// Work of a call (data pointers may be null). Null: bytes of inputs and outputs, no flops.
    Cost (*cost)(const Call& call) = nullptr;
    /// Calls to test with; `random` chooses odd sizes.
    std::vector<Example> (*examples)(Random& random);

    /// Output 0 may be written into the memory of input `in_place`, if that input is not read later and has as many
    /// bytes.
    std::optional<std::size_t> in_place{};
    /// Whether the output is, byte for byte, its inputs one after the other. Then an input may already be in its place
    /// within the output, and kernels leave it as it is. Null: never.
    bool (*joins_inputs)(std::span<const TensorType> inputs, const Attributes& attributes) = nullptr;
    /// Outputs that *are* the memory of an input: a view (reshape), or the next state of a cache (kv_append).
    std::vector<Alias> aliases{};
    /// For an op with an alias: whether nothing has to run.
    bool is_view = false;
    /// A fused op's meaning in simpler ops; null for primitives.
    std::vector<Value> (*decompose)(Builder& builder, std::span<const Value> inputs,
                                    const Attributes& attributes) = nullptr;
};

/// OpDef::is_identity for ops that change nothing when the output has the type of the input.
bool keeps_type(std::span<const TensorType> inputs, std::span<const TensorType> outputs, const Attributes& attributes);

/// The definition of input `i` of a node; for a variadic op, `i` may be larger than the number of names.
inline const InputDef& input_def(const OpDef& op, std::size_t i) {
    return op.inputs[std::min(i, op.inputs.size() - 1)];
}
/// The index of the input with this name; -1 when there is none.
int input_index(const OpDef& op, std::string_view name);
/// The names of the inputs, in order.
std::vector<std::string_view> input_names(const OpDef& op);
/// How many inputs must be given: the first ones.
std::size_t required_inputs(const OpDef& op);
/// `all`, with `none` added for the inputs at the end that it lacks.
template <class T>
std::vector<T> with_absent(const OpDef& op, std::span<const T> all, const T& none) {
    std::vector<T> out(all.begin(), all.end());
    if (!op.variadic && out.size() < op.inputs.size()) out.resize(op.inputs.size(), none);
    return out;
}

/// The op's cost, by its cost function or the default.
Cost cost_of(const OpDef& op, const Call& call);

/// A kernel of one backend for one op.
struct KernelDef {
    std::string_view op;
    void (*run)(const Call& call);
    /// Why the kernel refuses these types; empty if it takes them. Null: it takes everything that infer accepts.
    std::string (*refuses)(std::span<const TensorType> inputs, std::span<const TensorType> outputs,
                           const Attributes& attributes) = nullptr;
    /// Bytes of scratch memory that it needs for sizes up to these (data pointers are null). Null: none.
    std::size_t (*scratch)(const Call& call) = nullptr;
    /// Whether it rounds intermediate values to the inputs' dtype, as the op's decomposition does; the checks then use
    /// the tolerance of the decomposition. Null: never.
    bool (*rounds_between)(const Call& call) = nullptr;
    /// The dtype that it prefers for input `input` of a call with these types, when a pass may choose: a packed weight
    /// (base/packed.h), rounded activations (base/rounded.h). Null: it prefers the dtype that the input has.
    DType (*prefers)(std::size_t input, std::span<const TensorType> inputs, const Attributes& attributes) = nullptr;
};

}  // namespace vitro
