#include "ops/slice/slice.h"

#include "ops/common/axis.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    TensorType out = inputs[0];
    const auto& [axis, begin, end] = attributes.as<Slice>();
    const int at = resolve_axis(axis, out);
    const std::int64_t size = constant_size(out, at);
    expect_whole_rows(out, at);
    if (begin < 0 || begin >= end || end > size)
        fail("expected a range within [0, {}) along axis {}, found [{}, {})", size, at, begin, end);
    out.shape[static_cast<std::size_t>(at)] = end - begin;
    return {out};
}

void reference(const Call& call) {
    slice_by(call, [](const Call&, const StridedView& from, const StridedView& to) { copy_naive(from, to); });
}

Cost cost(const Call& call) { return {2 * call.out().bytes(), 0}; }

std::vector<Example> examples(Random& random) {
    const std::int64_t n = random.integer(2, 9), d = random.integer(1, 70), begin = random.integer(0, n - 1);
    SymbolValues symbols;
    symbols['T'] = random.integer(1, 20);
    return {{{{DType::f32, {'T', n, d}}}, Slice{1, begin, n}, symbols},
            {{{DType::f32, {'T', n}}}, Slice{-1, 0, begin + 1}, symbols},
            {{{DType::f32, {n, 'T', d}}}, Slice{0, begin, begin + 1}, symbols},
            {{{DType::i32, {n, d}}}, Slice{0, 0, n}, symbols}};
}

}  // namespace

void slice_by(const Call& call, CopyView copy) {
    const auto& [axis, begin, end] = call.attributes.as<Slice>();
    const StridedView x = view(call.in(0));
    copy(call, narrow(x, resolve_axis(axis, x.rank), begin, end - begin), view(call.out()));
}

const OpDef kSlice{
    .name = "slice",
    .doc = "out = x[…, begin:end, …]: the elements with indices in [begin, end) along axis, whose size is a constant.",
    .inputs = {"x"},
    .locality = Locality::moves,
    .infer = infer,
    .is_identity = keeps_type,
    .parse_attributes = &Attributes::parse<Slice>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
};

Value slice(At at, Value x, Slice slice) { return at.apply(kSlice, {x}, slice); }

}  // namespace vitro
