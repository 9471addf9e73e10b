#include "ops/qkv_projection/qkv_projection.h"

#include "base/half.h"
#include "ops/cast/cast.h"

#include <array>
#include <cmath>

namespace vitro {
namespace {

/// Inputs of the linear among those of the op, which are Values, types or tensors; `none` is an absent one.
template <class T>
std::array<T, 6> linear_inputs(std::span<const T> inputs, const T& none) {
    return {inputs[QkvProjection::kX],          inputs[QkvProjection::kWeight], inputs[QkvProjection::kWeightScale],
            inputs[QkvProjection::kNormWeight], inputs[QkvProjection::kBias],   none};
}

/// Inputs of the qkv_rope_append.
template <class T>
std::array<T, 9> append_inputs(const T& qkv, std::span<const T> inputs, const T& none) {
    return {qkv,
            inputs[QkvProjection::kKCache],
            inputs[QkvProjection::kVCache],
            inputs[QkvProjection::kPositions],
            inputs[QkvProjection::kSequences],
            inputs[QkvProjection::kPageTable],
            inputs[QkvProjection::kRopeLengths],
            none,
            none};
}

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    const auto& projection = attributes.as<QkvProjection>();
    const TensorType qkv = kLinear.infer(linear_inputs(inputs, TensorType::none()), projection.linear()).front();
    return kQkvRopeAppend.infer(append_inputs(qkv, inputs, TensorType::none()), projection.append);
}

/// The projection of a call, in memory of its own or without memory.
Tensor qkv_of(const Call& call, std::vector<float>* memory) {
    const std::int64_t sizes[] = {call.in(QkvProjection::kX).dim(0), call.in(QkvProjection::kWeight).dim(0)};
    if (memory != nullptr) memory->resize(static_cast<std::size_t>(sizes[0] * sizes[1]));
    return {DType::f32, sizes, memory == nullptr ? nullptr : memory->data()};
}

/// By the references of linear and qkv_rope_append, in fp32.
void reference(const Call& call) {
    const auto& projection = call.attributes.as<QkvProjection>();
    std::vector<float> memory;
    const Tensor qkv = qkv_of(call, &memory);
    const Attributes linear = projection.linear(), append = projection.append;
    kLinear.reference({linear_inputs(call.inputs, Tensor::none()), {&qkv, 1}, linear, call.backend});
    kQkvRopeAppend.reference({append_inputs(qkv, call.inputs, Tensor::none()), call.outputs, append, call.backend});
}

/// What both parts cost, without the projection's way through memory.
Cost cost(const Call& call) {
    const auto& projection = call.attributes.as<QkvProjection>();
    const Tensor qkv = qkv_of(call, nullptr);
    const Attributes linear = projection.linear(), append = projection.append;
    const Cost first = kLinear.cost({linear_inputs(call.inputs, Tensor::none()), {&qkv, 1}, linear, call.backend});
    const Cost second =
        kQkvRopeAppend.cost({append_inputs(qkv, call.inputs, Tensor::none()), call.outputs, append, call.backend});
    return {first.bytes + second.bytes - 2 * qkv.bytes(), first.flops + second.flops};
}

/// Half types go through fp32, as the projection does.
std::vector<Value> decompose(Builder& b, std::span<const Value> inputs, const Attributes& attributes) {
    const auto& projection = attributes.as<QkvProjection>();
    const DType dtype = b.type(inputs[QkvProjection::kX]).dtype;
    std::array<Value, 6> parts = linear_inputs(inputs, Value{});
    if (dtype != DType::f32) parts[Linear::kX] = cast(b, parts[Linear::kX], {.dtype = DType::f32});
    const Value qkv = At(b).apply_all(kLinear, parts, projection.linear()).front();
    std::vector<Value> out = At(b).apply_all(kQkvRopeAppend, append_inputs(qkv, inputs, Value{}), projection.append);
    if (dtype != DType::f32) out[0] = cast(b, out[0], {.dtype = dtype});
    return out;
}

/// Examples of qkv_rope_append, each behind a projection to what it takes.
std::vector<Example> examples(Random& random) {
    std::vector<Example> all;
    bool scaled = false, norm = true, bias = false;
    for (const Example& append : kQkvRopeAppend.examples(random)) {
        if (append.inputs.size() > QkvRopeAppend::kK &&
            !(append.inputs[QkvRopeAppend::kK].absent && append.inputs[QkvRopeAppend::kV].absent))
            continue;
        const std::int64_t k = bias ? 16 * random.integer(1, 90) : random.integer(1, 100),  // whole vectors, or not
            n = append.inputs[0].dim(1).size;
        const QkvProjection projection{.eps = 1e-3f, .append = append.attributes.as<QkvRopeAppend>()};
        const auto f = [](Shape shape) { return TensorType{DType::f32, std::move(shape)}; };
        const auto optional = [](bool is_given, TensorType type) { return is_given ? type : TensorType::none(); };
        Example out{{f({append.inputs[0].dim(0), k}), f({n, k})}, projection, append.symbols};
        if (scaled) out.inputs[QkvProjection::kWeight].dtype = DType::f8e4m3;
        const std::vector<TensorType> rest =
            with_absent(kQkvRopeAppend, std::span<const TensorType>(append.inputs), TensorType::none());
        out.inputs.insert(out.inputs.end(), rest.begin() + QkvRopeAppend::kKCache,
                          rest.begin() + QkvRopeAppend::kRopeLengths);
        out.inputs.insert(out.inputs.end(), {optional(scaled, f({n})), optional(norm, f({k})), optional(bias, f({n})),
                                             rest[QkvRopeAppend::kRopeLengths]});
        out.fill = [k, fill = append.fill](std::size_t index, const Tensor& tensor, Random& numbers) {
            if (index >= QkvProjection::kKCache && index <= QkvProjection::kPageTable)
                return fill(index - QkvProjection::kKCache + QkvRopeAppend::kKCache, tensor, numbers);
            if (index == QkvProjection::kRopeLengths) return fill(QkvRopeAppend::kRopeLengths, tensor, numbers);
            if (index != QkvProjection::kWeight) return false;
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

const OpDef kQkvProjection{
    .name = "qkv_projection",
    .doc =
        "out 0, 1, 2 = qkv_rope_append(linear(x, weight [, weight_scale] [, norm_weight] [, bias]), k_cache, v_cache, "
        "positions, "
        "sequences, page_table [, rope_lengths]): the projection to q, k and v, with the norm before it and with all "
        "steps between it and attention. The attributes are those of both ops; everything in between is fp32.",
    .inputs = {"x",
               {"weight", InputRole::shared},
               {"k_cache", InputRole::shared},
               {"v_cache", InputRole::shared},
               {"positions", InputRole::positions},
               {"sequences", InputRole::sequences, "page_table"},
               {"page_table", InputRole::pages, "k_cache"},
               InputDef("weight_scale", InputRole::shared).optional(),
               InputDef("norm_weight", InputRole::shared).optional(),
               InputDef("bias", InputRole::shared).optional(),
               InputDef("rope_lengths", InputRole::total_lengths).optional()},
    .infer = infer,
    .parse_attributes = &Attributes::parse<QkvProjection>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
    .aliases = {{1, 2}, {2, 3}},
    .decompose = decompose,
};

QkvRopeAppended qkv_projection(At at, const QkvProjectionValues& values, QkvProjection attributes) {
    const Value inputs[] = {values.x,           values.weight,    values.k_cache,     values.v_cache,
                            values.positions,   values.sequences, values.page_table,  values.weight_scale,
                            values.norm_weight, values.bias,      values.rope_lengths};
    const std::vector<Value> out = at.apply_all(kQkvProjection, inputs, std::move(attributes));
    return {out[0], out[1], out[2]};
}

}  // namespace vitro
