#include "ops/split/split.h"

#include "base/checked.h"
#include "ops/common/axis.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    const TensorType& x = inputs[0];
    const auto& [axis, sizes] = attributes.as<Split>();
    const int at = resolve_axis(axis, x);
    const std::int64_t size = constant_size(x, at);
    expect_whole_rows(x, at);
    std::vector<TensorType> outputs;
    std::optional<std::int64_t> sum = 0;
    for (const std::int64_t piece : sizes) {
        sum = sum && piece > 0 ? checked_add(*sum, piece) : std::nullopt;
        outputs.push_back(x);
        outputs.back().shape[static_cast<std::size_t>(at)] = piece;
    }
    if (sum != size)
        fail("sizes: expected positive numbers that add up to {}, the size along axis {}, found {}", size, at,
             attribute_text(sizes));
    return outputs;
}

void reference(const Call& call) {
    split_by(call, [](const Call&, const StridedView& from, const StridedView& to) { copy_naive(from, to); });
}

std::vector<Example> examples(Random& random) {
    const std::int64_t a = random.integer(1, 40), b = random.integer(1, 9), d = random.integer(1, 20);
    SymbolValues symbols;
    symbols['T'] = random.integer(1, 20);
    return {{{{DType::f32, {'T', a + 2 * b}}}, Split{-1, {a, b, b}}, symbols},
            {{{DType::f32, {'T', a + b, d}}}, Split{1, {a, b}}, symbols},
            {{{DType::f32, {b, 'T'}}}, Split{0, {b}}, symbols},
            {{{DType::i32, {a + b, d}}}, Split{0, {a, b}}, symbols}};
}

bool is_identity(std::span<const TensorType>, std::span<const TensorType> outputs, const Attributes&) {
    return outputs.size() == 1;
}

}  // namespace

void split_by(const Call& call, CopyView copy) {
    const auto& [axis, sizes] = call.attributes.as<Split>();
    const StridedView x = view(call.in(0));
    const int at = resolve_axis(axis, x.rank);
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < sizes.size(); begin += sizes[i++])
        copy(call, narrow(x, at, begin, sizes[i]), view(call.out(i)));
}

const OpDef kSplit{
    .name = "split",
    .doc =
        "out i = x[…, b:b + sizes[i], …] along axis, where b is the sum of sizes[:i]; concatenated, the outputs are x.",
    .inputs = {"x"},
    .locality = Locality::moves,
    .infer = infer,
    .is_identity = is_identity,
    .parse_attributes = &Attributes::parse<Split>,
    .reference = reference,
    .examples = examples,
};

std::vector<Value> split(At at, Value x, Split split) {
    return at.apply_all(kSplit, std::span(&x, 1), std::move(split));
}

}  // namespace vitro
