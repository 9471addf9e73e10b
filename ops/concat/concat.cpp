#include "ops/concat/concat.h"

#include "base/checked.h"
#include "ops/common/axis.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    TensorType out = inputs[0];
    const int axis = resolve_axis(attributes.as<Concat>().axis, out);
    const auto at = static_cast<std::size_t>(axis);
    std::int64_t size = constant_size(out, axis);
    for (const TensorType& x : inputs.subspan(1)) {
        TensorType expected = out;
        if (x.rank() == out.rank()) expected.shape[at] = x.shape[at];
        if (x != expected)
            fail("expected {} in every dimension but axis {}, found {}", to_string(inputs[0]), axis, to_string(x));
        const auto sum = checked_add(size, constant_size(x, axis));
        if (!sum) fail("axis {} gets too long", axis);
        size = *sum;
    }
    out.shape[at] = size;
    return {out};
}

bool joins_inputs(std::span<const TensorType> inputs, const Attributes& attributes) {
    return resolve_axis(attributes.as<Concat>().axis, inputs[0]) == 0;
}

void reference(const Call& call) {
    concat_by(call, [](const Call&, const StridedView& from, const StridedView& to) { copy_naive(from, to); });
}

std::vector<Example> examples(Random& random) {
    const std::int64_t a = random.integer(1, 40), b = random.integer(1, 9);
    SymbolValues symbols;
    symbols['T'] = random.integer(1, 20);
    return {{{{DType::f32, {'T', a}}, {DType::f32, {'T', b}}}, Concat{-1}, symbols},
            {{{DType::f32, {a, 'T'}}, {DType::f32, {b, 'T'}}, {DType::f32, {a, 'T'}}}, Concat{0}, symbols},
            {{{DType::f32, {'T', a, b}}, {DType::f32, {'T', 1, b}}}, Concat{1}, symbols},
            {{{DType::f32, {a, b}}}, Concat{0}, symbols},
            {{{DType::i32, {a}}, {DType::i32, {b}}}, Concat{0}, symbols}};
}

bool is_identity(std::span<const TensorType> inputs, std::span<const TensorType>, const Attributes&) {
    return inputs.size() == 1;
}

}  // namespace

void concat_by(const Call& call, CopyView copy) {
    const StridedView out = view(call.out());
    const int axis = resolve_axis(call.attributes.as<Concat>().axis, out.rank);
    std::int64_t begin = 0;
    for (const Tensor& x : call.inputs) {
        const StridedView from = view(x);
        const std::int64_t size = from.sizes[std::size_t(axis)];
        const StridedView place = narrow(out, axis, begin, size);
        if (from.data != place.data) copy(call, from, place);
        begin += size;
    }
}

const OpDef kConcat{
    .name = "concat",
    .doc =
        "out = the inputs, concatenated along axis; they have the same dtype and the same sizes along all other axes, "
        "and their sizes along axis are constants.",
    .inputs = {"x"},
    .variadic = true,
    .locality = Locality::moves,
    .infer = infer,
    .is_identity = is_identity,
    .parse_attributes = &Attributes::parse<Concat>,
    .reference = reference,
    .examples = examples,
    .joins_inputs = joins_inputs,
};

Value concat(At at, std::span<const Value> xs, std::int64_t axis) {
    return at.apply_all(kConcat, xs, Concat{axis}).front();
}

}  // namespace vitro
