#include "ops/transpose/transpose.h"

#include "ops/common/axis.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    const TensorType& x = inputs[0];
    const auto& permutation = attributes.as<Transpose>().permutation;
    std::vector<bool> seen(x.shape.size());
    bool valid = permutation.size() == seen.size();
    for (std::size_t i = 0; valid && i < permutation.size(); ++i) {
        const std::int64_t axis = permutation[i];
        valid = axis >= 0 && axis < x.rank() && !seen[static_cast<std::size_t>(axis)];
        if (valid) seen[static_cast<std::size_t>(axis)] = true;
    }
    if (!valid) fail("permutation: expected each of the {} axes once, found {}", x.rank(), attribute_text(permutation));
    if (!permutation.empty() && permutation.back() != x.rank() - 1) expect_whole_rows(x, x.rank() - 1);
    TensorType out{x.dtype, {}};
    for (const std::int64_t axis : permutation) out.shape.push_back(x.dim(static_cast<int>(axis)));
    return {out};
}

void reference(const Call& call) {
    transpose_by(call, [](const Call&, const StridedView& from, const StridedView& to) { copy_naive(from, to); });
}

std::vector<Example> examples(Random& random) {
    const std::int64_t n = random.integer(1, 7), d = random.integer(1, 70);
    SymbolValues symbols;
    symbols['T'] = random.integer(1, 50);
    return {{{{DType::f32, {'T', n, d}}}, Transpose{{1, 0, 2}}, symbols},
            {{{DType::f32, {n, 'T', d}}}, Transpose{{0, 2, 1}}, symbols},
            {{{DType::f32, {'T', d}}}, Transpose{{1, 0}}, symbols},
            {{{DType::f32, {'T', n, d}}}, Transpose{{2, 1, 0}}, symbols},
            {{{DType::f32, {2, 'T', 3, n}}}, Transpose{{3, 0, 2, 1}}, symbols},
            {{{DType::i32, {d, n}}}, Transpose{{0, 1}}, symbols}};
}

bool is_identity(std::span<const TensorType>, std::span<const TensorType>, const Attributes& attributes) {
    const auto& permutation = attributes.as<Transpose>().permutation;
    return std::is_sorted(permutation.begin(), permutation.end());
}

}  // namespace

void transpose_by(const Call& call, CopyView copy) {
    copy(call, permute(view(call.in(0)), call.attributes.as<Transpose>().permutation), view(call.out()));
}

const OpDef kTranspose{
    .name = "transpose",
    .doc =
        "Dimension k of out is dimension permutation[k] of x: out[i0, i1, …] = x[j0, j1, …], where "
        "j[permutation[k]] = i[k].",
    .inputs = {"x"},
    .locality = Locality::moves,
    .infer = infer,
    .is_identity = is_identity,
    .parse_attributes = &Attributes::parse<Transpose>,
    .reference = reference,
    .examples = examples,
};

Value transpose(At at, Value x, std::vector<std::int64_t> permutation) {
    return at.apply(kTranspose, {x}, Transpose{std::move(permutation)});
}

}  // namespace vitro
