#include "ops/attention_mask/attention_mask.h"

#include "ops/common/example_fill.h"
#include "ops/common/expect.h"

#include <limits>

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    expect_i32("positions", inputs[0], 1);
    expect_i32("sequences", inputs[1], inputs[0].shape);
    expect_i32("lengths", inputs[2], 1);
    const std::int64_t window = attributes.as<AttentionMask>().window;
    if (window < 0) fail("window: expected 0 (none) or a number of positions, found {}", window);
    return {{DType::f32, {inputs[0].dim(0), 'C'}}};
}

void reference(const Call& call) {
    const auto* positions = call.in(0).as<std::int32_t>();
    const auto* sequences = call.in(1).as<std::int32_t>();
    const auto* lengths = call.in(2).as<std::int32_t>();
    const std::int64_t window = call.attributes.as<AttentionMask>().window, keys = call.out().dim(1);
    for (std::int64_t t = 0; t < call.out().dim(0); ++t) {
        std::int64_t c = 0;
        for (std::int64_t s = 0; s < call.in(2).dim(0); ++s)
            for (std::int64_t key = 0; key < lengths[s]; ++key, ++c) {
                const bool visible =
                    s == sequences[t] && key <= positions[t] && (window == 0 || key > positions[t] - window);
                call.out().as<float>()[t * keys + c] = visible ? 0.0f : -std::numeric_limits<float>::infinity();
            }
        VITRO_CHECK(c == keys, "lengths add up to {}, C is {}", c, keys);
    }
}

Example example(std::int64_t tokens, std::int64_t count, std::int64_t keys, std::int64_t window) {
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
    return {{{DType::i32, {'T'}}, {DType::i32, {'T'}}, {DType::i32, {'S'}}}, AttentionMask{window}, symbols, fill};
}

std::vector<Example> examples(Random& random) {
    return {example(random.integer(1, 20), 1, random.integer(1, 70), 0),
            example(random.integer(1, 20), 1, random.integer(20, 70), random.integer(1, 9)),
            example(random.integer(1, 20), random.integer(2, 5), random.integer(1, 70), 0),
            example(random.integer(1, 20), random.integer(2, 5), random.integer(20, 70), random.integer(1, 9)),
            example(1, 1, 1, 1)};
}

}  // namespace

const OpDef kAttentionMask{
    .name = "attention_mask",
    .doc =
        "out[t, c] = 0 where token t sees key c, -inf where not. The keys are the cached tokens of sequence 0, then "
        "of sequence 1, …: key c belongs to the sequence s whose range [start, start + lengths[s]) holds c, start "
        "the sum of the lengths before, and its position is c - start. It is visible iff s = sequences[t], its "
        "position <= positions[t], and window = 0 or its position > positions[t] - window. The number of keys C is "
        "the sum of lengths.",
    .inputs = {"positions", "sequences", "lengths"},
    .infer = infer,
    .parse_attributes = &Attributes::parse<AttentionMask>,
    .reference = reference,
    .examples = examples,
};

Value attention_mask(At at, Value positions, Value sequences, Value lengths, AttentionMask mask) {
    return at.apply(kAttentionMask, {positions, sequences, lengths}, mask);
}

}  // namespace vitro
