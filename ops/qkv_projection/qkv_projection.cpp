#include "ops/qkv_projection/qkv_projection.h"

#include "base/half.h"
#include "ops/cast/cast.h"

#include <cmath>

namespace vitro {
namespace {

/// Inputs of the linear among those of the op; `inputs` and the result are Values, types or tensors.
template <class T>
std::vector<T> linear_inputs(std::span<const T> inputs, const QkvProjectionInputs& at) {
    std::vector<T> out;
    for (const int index : {at.x, at.weight, at.weight_scale, at.norm_weight, at.bias})
        if (index >= 0) out.push_back(inputs[static_cast<std::size_t>(index)]);
    return out;
}

/// Inputs of the qkv_rope_append.
template <class T>
std::vector<T> append_inputs(const T& qkv, std::span<const T> inputs, const QkvProjectionInputs& at) {
    std::vector<T> out{qkv};
    for (const int index : {at.k_cache, at.v_cache, at.positions, at.sequences, at.page_table, at.rope_lengths})
        if (index >= 0) out.push_back(inputs[static_cast<std::size_t>(index)]);
    return out;
}

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    const auto& projection = attributes.as<QkvProjection>();
    const QkvProjectionInputs at(projection, inputs.size());
    const TensorType qkv = kLinear.infer(linear_inputs(inputs, at), projection.linear()).front();
    return kQkvRopeAppend.infer(append_inputs(qkv, inputs, at), projection.append);
}

/// The projection of a call, in memory of its own or without memory.
Tensor qkv_of(const Call& call, std::vector<float>* memory) {
    const std::int64_t sizes[] = {call.in(0).dim(0), call.in(1).dim(0)};
    if (memory != nullptr) memory->resize(static_cast<std::size_t>(sizes[0] * sizes[1]));
    return {DType::f32, sizes, memory == nullptr ? nullptr : memory->data()};
}

/// By the references of linear and qkv_rope_append, in fp32.
void reference(const Call& call) {
    const auto& projection = call.attributes.as<QkvProjection>();
    const QkvProjectionInputs at(projection, call.inputs.size());
    std::vector<float> memory;
    const Tensor qkv = qkv_of(call, &memory);
    const Attributes linear = projection.linear(), append = projection.append;
    kLinear.reference({linear_inputs(call.inputs, at), {&qkv, 1}, linear, call.backend});
    kQkvRopeAppend.reference({append_inputs(qkv, call.inputs, at), call.outputs, append, call.backend});
}

/// What both parts cost, without the projection's way through memory.
Cost cost(const Call& call) {
    const auto& projection = call.attributes.as<QkvProjection>();
    const QkvProjectionInputs at(projection, call.inputs.size());
    const Tensor qkv = qkv_of(call, nullptr);
    const Attributes linear = projection.linear(), append = projection.append;
    const Cost first = kLinear.cost({linear_inputs(call.inputs, at), {&qkv, 1}, linear, call.backend});
    const Cost second = kQkvRopeAppend.cost({append_inputs(qkv, call.inputs, at), call.outputs, append, call.backend});
    return {first.bytes + second.bytes - 2 * qkv.bytes(), first.flops + second.flops};
}

/// Half types go through fp32, as the projection does.
std::vector<Value> decompose(Builder& b, std::span<const Value> inputs, const Attributes& attributes) {
    const auto& projection = attributes.as<QkvProjection>();
    const QkvProjectionInputs at(projection, inputs.size());
    const DType dtype = b.type(inputs[0]).dtype;
    std::vector<Value> parts = linear_inputs(inputs, at);
    if (dtype != DType::f32) parts[0] = cast(b, parts[0], {.dtype = DType::f32});
    const Value qkv = At(b).apply_all(kLinear, parts, projection.linear()).front();
    std::vector<Value> out = At(b).apply_all(kQkvRopeAppend, append_inputs(qkv, inputs, at), projection.append);
    if (dtype != DType::f32) out[0] = cast(b, out[0], {.dtype = dtype});
    return out;
}

/// Examples of qkv_rope_append, each behind a projection to what it takes.
std::vector<Example> examples(Random& random) {
    std::vector<Example> all;
    bool scaled = false, norm = true, bias = false;
    for (const Example& append : kQkvRopeAppend.examples(random)) {
        const std::int64_t k = bias ? 16 * random.integer(1, 90) : random.integer(1, 100),  // whole vectors, or not
            n = append.inputs[0].dim(1).size;
        const QkvProjection projection{.scaled = scaled,
                                       .norm = norm,
                                       .eps = 1e-3f,
                                       .bias = bias,
                                       .append = append.attributes.as<QkvRopeAppend>()};
        const auto f = [](Shape shape) { return TensorType{DType::f32, std::move(shape)}; };
        Example out{{f({append.inputs[0].dim(0), k}), f({n, k})}, projection, append.symbols};
        out.inputs.insert(out.inputs.end(), append.inputs.begin() + 1, append.inputs.begin() + 6);
        if (scaled) {
            out.inputs[1].dtype = DType::f8e4m3;
            out.inputs.push_back({DType::f32, {n}});
        }
        if (norm) out.inputs.push_back(f({k}));
        if (bias) out.inputs.push_back(f({n}));
        if (append.inputs.size() > 6) out.inputs.push_back(append.inputs[6]);
        const QkvProjectionInputs at(projection, out.inputs.size());
        out.fill = [=, fill = append.fill](std::size_t index, const Tensor& tensor, Random& numbers) {
            const int input = static_cast<int>(index);
            if (input >= at.k_cache && input <= at.page_table) return fill(index - 1, tensor, numbers);
            if (input == at.rope_lengths) return fill(6, tensor, numbers);
            if (input != at.weight) return false;
            dispatch_stored_float(tensor.dtype, [&]<class T>(T) {  // of the size that real weights have
                for (std::int64_t i = 0; i < tensor.elements(); ++i)
                    tensor.as<T>()[i] = T(static_cast<float>(numbers.normal() / std::sqrt(double(k))));
            });
            return true;
        };
        all.push_back(std::move(out));
        bias = bias != norm;  // all four combinations
        norm = !norm;
        scaled = !scaled && bias;
    }
    return all;
}

}  // namespace

QkvProjectionInputs::QkvProjectionInputs(const QkvProjection& attributes, std::size_t count) {
    int next = page_table + 1;
    if (attributes.scaled) weight_scale = next++;
    if (attributes.norm) norm_weight = next++;
    if (attributes.bias) bias = next++;
    if (static_cast<int>(count) == next + 1) rope_lengths = next++;
    if (static_cast<int>(count) != next)
        fail("expected {} inputs as the attributes say, or one more, found {}", next, count);
}

const OpDef kQkvProjection{
    .name = "qkv_projection",
    .doc =
        "out 0, 1, 2 = qkv_rope_append(linear(x, weight [, weight_scale] [, norm_weight] [, bias]), k_cache, v_cache, "
        "positions, "
        "sequences, page_table [, rope_lengths]): the projection to q, k and v with the norm before it and with what "
        "stands between it and attention. The attributes are those of both; everything in between is fp32.",
    .inputs = {"x", "weight", "k_cache", "v_cache", "positions", "sequences", "page_table",
               "weight_scale|norm_weight|bias|rope_lengths", "norm_weight|bias|rope_lengths", "bias|rope_lengths",
               "rope_lengths"},
    .optional_from = 7,
    .infer = infer,
    .parse_attributes = &Attributes::parse<QkvProjection>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
    .aliases = {{1, 2}, {2, 3}},
    .decompose = decompose,
};

QkvRopeAppended qkv_projection(At at, Value x, Value weight, Value k_cache, Value v_cache, Value positions,
                               Value sequences, Value page_table, QkvProjection attributes,
                               std::optional<Value> norm_weight, std::optional<Value> bias,
                               std::optional<Value> rope_lengths, std::optional<Value> weight_scale) {
    std::vector<Value> inputs{x, weight, k_cache, v_cache, positions, sequences, page_table};
    for (const auto& input : {weight_scale, norm_weight, bias, rope_lengths})
        if (input) inputs.push_back(*input);
    const std::vector<Value> out = at.apply_all(kQkvProjection, inputs, std::move(attributes));
    return {out[0], out[1], out[2]};
}

}  // namespace vitro
