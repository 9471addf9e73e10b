#include "ops/attention_mask/attention_mask.h"

#include "ops/common/example_fill.h"
#include "ops/common/expect.h"

#include <limits>

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    const TensorType& positions = inputs[AttentionMask::kPositions];
    expect_i32("positions", positions, 1);
    expect_i32("sequences", inputs[AttentionMask::kSequences], positions.shape);
    expect_i32("lengths", inputs[AttentionMask::kLengths], 1);
    return {{DType::f32, {positions.dim(0), attributes.as<AttentionMask>().keys}}};
}

void reference(const Call& call) {
    const Tensor &sequences = call.in(AttentionMask::kSequences), &lengths = call.in(AttentionMask::kLengths);
    const Visible visible{call.in(AttentionMask::kPositions).as<std::int32_t>(), sequences.as<std::int32_t>(),
                          lengths.as<std::int32_t>(), call.attributes.as<AttentionMask>().visibility};
    float* out = call.out().as<float>();
    for (std::int64_t t = 0; t < call.out().dim(0); ++t) {
        const Range seen = visible(t);
        for (std::int64_t s = 0; s < lengths.dim(0); ++s)
            for (std::int64_t key = 0; key < visible.lengths[s]; ++key) {
                const bool sees =
                    s == visible.sequences[t] && key >= seen.begin && key < seen.end && visible.sees(t, key);
                *out++ = sees ? 0.0f : -std::numeric_limits<float>::infinity();
            }
    }
}

Example example(std::int64_t tokens, std::int64_t count, std::int64_t keys, Visibility visibility) {
    SymbolValues symbols;
    symbols['T'] = tokens;
    symbols['S'] = count;
    symbols['C'] = keys;
    const auto fill = [=](std::size_t index, const Tensor& tensor, Random& random) {
        if (index == 0) fill_below(tensor, keys, random);
        if (index == 1) fill_below(tensor, count, random);
        if (index == 2) fill_lengths(tensor, keys, random);
        return true;
    };
    return {{{DType::i32, {'T'}}, {DType::i32, {'T'}}, {DType::i32, {'S'}}}, AttentionMask{visibility}, symbols, fill};
}

std::vector<Example> examples(Random& random) {
    const auto window = [&] { return random.integer(1, 9); };
    return {example(random.integer(1, 20), 1, random.integer(1, 70), {}),
            example(random.integer(1, 20), 1, random.integer(20, 70), {.window = window()}),
            example(random.integer(1, 20), random.integer(2, 5), random.integer(1, 70), {}),
            example(random.integer(1, 20), random.integer(2, 5), random.integer(20, 70), {.window = window()}),
            example(random.integer(1, 20), random.integer(2, 5), random.integer(20, 70), {.causal = false}),
            example(random.integer(1, 20), 2, random.integer(20, 70), {.causal = false, .window = window()}),
            example(random.integer(1, 20), 2, random.integer(20, 70), {.stride = window()}),
            example(random.integer(1, 20), 2, random.integer(20, 70), {.window = 20, .stride = 6, .summary = 2}),
            example(random.integer(1, 20), 2, random.integer(20, 70), {.causal = false, .stride = 5, .summary = 1}),
            example(1, 1, 1, {.window = 1})};
}

}  // namespace

const OpDef kAttentionMask{
    .name = "attention_mask",
    .doc =
        "out[t, c] = 0 if token t sees key c, else -inf. The keys are the cached tokens of sequence 0, then those of "
        "sequence 1, …: key c belongs to the sequence s with start <= c < start + lengths[s], where start is the sum "
        "of the lengths before s, and its position p is c - start. It is visible iff s = sequences[t], p <= "
        "positions[t] unless causal is false, and window is 0 or |p - positions[t]| < window, and stride is 0 or the "
        "pattern has it: without summary |p - positions[t]| < stride or a multiple of stride, else p / stride = "
        "positions[t] / stride or p mod stride >= stride - summary. `keys` is the number of keys, the sum of "
        "lengths.",
    .inputs = {{"positions", InputRole::positions},
               {"sequences", InputRole::sequences, "lengths"},
               InputDef("lengths", InputRole::lengths).summing_to([](const Attributes& attributes) {
                   return attributes.as<AttentionMask>().keys;
               })},
    .infer = infer,
    .parse_attributes = &Attributes::parse<AttentionMask>,
    .reference = reference,
    .examples = examples,
};

Value attention_mask(At at, Value positions, Value sequences, Value lengths, AttentionMask mask) {
    return at.apply(kAttentionMask, {positions, sequences, lengths}, mask);
}

}  // namespace vitro
