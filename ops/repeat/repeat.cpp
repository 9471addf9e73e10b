#include "ops/repeat/repeat.h"

#include "base/checked.h"
#include "base/half.h"
#include "ops/common/axis.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    TensorType out = inputs[0];
    const auto& [axis, times] = attributes.as<Repeat>();
    const int at = resolve_axis(axis, out);
    if (block_columns(out.dtype) > 1) fail("expected a type without blocks, found {}", to_string(out));
    const auto size = checked_mul(constant_size(out, at), times);
    if (!size) fail("axis {} gets too long", at);
    out.shape[static_cast<std::size_t>(at)] = *size;
    return {out};
}

void reference(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    const auto& [axis, times] = call.attributes.as<Repeat>();
    const int at = resolve_axis(axis, x.rank);
    const std::int64_t outer = out.count(0, at), size = out.dim(at), inner = out.count(at + 1, out.rank);
    dispatch(x.dtype, [&]<class T>(T) {
        for (std::int64_t o = 0; o < outer; ++o)
            for (std::int64_t i = 0; i < size; ++i)
                for (std::int64_t e = 0; e < inner; ++e)
                    out.as<T>()[(o * size + i) * inner + e] = x.as<T>()[(o * x.dim(at) + i / times) * inner + e];
    });
}

std::vector<Example> examples(Random& random) {
    const std::int64_t n = random.integer(1, 5), d = random.integer(1, 70), times = random.integer(2, 4);
    SymbolValues symbols;
    symbols['T'] = random.integer(1, 20);
    return {{{{DType::f32, {'T', n, d}}}, Repeat{1, times}, symbols},
            {{{DType::f32, {n, 'T', d}}}, Repeat{0, times}, symbols},
            {{{DType::f32, {'T', n}}}, Repeat{-1, times}, symbols},
            {{{DType::f32, {'T', n, d}}}, Repeat{1, 1}, symbols},
            {{{DType::i32, {2, n, d, 3, 2}}}, Repeat{2, times}, symbols}};
}

}  // namespace

void repeat_by(const Call& call, CopyView copy) {
    const Tensor &x = call.in(0), &out = call.out();
    const auto& [axis, times] = call.attributes.as<Repeat>();
    const int at = resolve_axis(axis, x.rank);
    const std::int64_t outer = x.count(0, at), size = x.dim(at), inner = x.count(at + 1, x.rank);
    // [outer, size, times, inner] on both sides; x stands still along `times`.
    const StridedView from{x.dtype, 4, {outer, size, times, inner}, {size * inner, inner, 0, 1}, x.data};
    StridedView to = from;
    to.strides = {size * times * inner, times * inner, inner, 1};
    to.data = out.data;
    copy(call, from, to);
}

const OpDef kRepeat{
    .name = "repeat",
    .doc =
        "out[…, i, …] = x[…, i / times, …] along axis, whose size is a constant: each element is repeated `times` "
        "times in a row, so that each key or value head lines up with its group of query heads.",
    .inputs = {"x"},
    .locality = Locality::moves,
    .infer = infer,
    .is_identity = keeps_type,
    .parse_attributes = &Attributes::parse<Repeat>,
    .reference = reference,
    .examples = examples,
};

Value repeat(At at, Value x, Repeat repeat) { return at.apply(kRepeat, {x}, repeat); }

}  // namespace vitro
