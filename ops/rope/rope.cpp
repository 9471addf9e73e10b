#include "ops/rope/rope.h"

#include "base/half.h"
#include "ops/common/example_fill.h"
#include "ops/common/expect.h"

#include <cmath>

namespace vitro {
namespace {

void check_factors(std::string_view name, const std::vector<float>& factors, std::int64_t pairs) {
    if (std::ssize(factors) != pairs)
        fail("{}: expected {} numbers, half of rotary_dim, found {}", name, pairs, factors.size());
}

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    const TensorType &x = inputs[RopeAttributes::kX], &sequences = inputs[RopeAttributes::kSequences],
                     &lengths = inputs[RopeAttributes::kRopeLengths];
    const auto& rope = attributes.as<RopeAttributes>();
    expect_float("x", x, 3);
    expect_i32("positions", inputs[RopeAttributes::kPositions], {x.dim(0)});
    if (sequences.absent != lengths.absent)
        fail("expected sequences and rope_lengths together, found {} alone",
             lengths.absent ? "sequences" : "rope_lengths");
    if (!lengths.absent) {
        expect_i32("sequences", sequences, {x.dim(0)});
        expect_i32("rope_lengths", lengths, 1);
    }
    if (x.dim(2).is_symbol()) fail("x: expected a constant head size, found {}", to_string(x));
    const std::int64_t d = x.dim(2).size, rotary = rope.rotary_dim == 0 ? d : rope.rotary_dim;
    if (rotary < 2 || rotary > d || rotary % 2 != 0)
        fail("rotary_dim: expected an even number in [2, {}], found {}", d, rotary);
    if (!rope.short_factor.empty()) check_factors("short_factor", rope.short_factor, rotary / 2);
    if (rope.by_length()) {
        check_factors("long_factor", rope.long_factor, rotary / 2);
        if (rope.original_max < 1) fail("original_max: expected a length of at least 1, found {}", rope.original_max);
        if (lengths.absent) fail("expected sequences and rope_lengths, which say where long_factor holds");
    }
    return {x};
}

void reference(const Call& call) {
    const Tensor &x = call.in(RopeAttributes::kX), &out = call.out();
    const auto& rope = call.attributes.as<RopeAttributes>();
    const std::int64_t d = x.dim(2), rotary = rope.rotary_dim == 0 ? d : rope.rotary_dim, pairs = rotary / 2;
    std::vector<float> frequencies(static_cast<std::size_t>(pairs));
    dispatch_float(x.dtype, [&]<class X>(X) {
        for (std::int64_t t = 0; t < x.dim(0); ++t) {
            const auto integers = [&](std::size_t input) { return call.in(input).as<std::int32_t>(); };
            const float position = static_cast<float>(integers(RopeAttributes::kPositions)[t]);
            const bool long_context =
                rope.by_length() &&
                integers(RopeAttributes::kRopeLengths)[integers(RopeAttributes::kSequences)[t]] > rope.original_max;
            inverse_frequencies(rope, long_context, frequencies);
            for (std::int64_t head = t * x.dim(1); head < (t + 1) * x.dim(1); ++head) {
                const X* from = x.as<X>() + head * d;
                X* to = out.as<X>() + head * d;
                for (std::int64_t i = 0; i < pairs; ++i) {
                    const float angle = frequencies[std::size_t(i)] * position;
                    const double cosine = std::cos(double(angle)) * double(rope.attention_scale);
                    const double sine = std::sin(double(angle)) * double(rope.attention_scale);
                    const double a = double(float(from[i])), b = double(float(from[i + pairs]));
                    to[i] = X(float(a * cosine - b * sine));
                    to[i + pairs] = X(float(b * cosine + a * sine));
                }
                for (std::int64_t i = rotary; i < d; ++i) to[i] = from[i];
            }
        }
    });
}

Cost cost(const Call& call) {
    const Tensor& x = call.in(RopeAttributes::kX);
    const std::int64_t rotary_dim = call.attributes.as<RopeAttributes>().rotary_dim,
                       rotary = rotary_dim == 0 ? x.dim(2) : rotary_dim;
    std::int64_t bytes = call.out().bytes();
    for (const Tensor& input : call.inputs) bytes += input.bytes();
    return {bytes, 3 * x.rows() * rotary};  // two products and a sum an element
}

std::vector<Example> examples(Random& random) {
    const std::int64_t n = random.integer(1, 5), pairs = random.integer(1, 40), rest = random.integer(1, 9);
    SymbolValues symbols;
    symbols['T'] = random.integer(1, 20);
    symbols['S'] = 3;
    const auto fill = [](std::size_t index, const Tensor& tensor, Random& numbers) {
        if (index == RopeAttributes::kPositions) fill_below(tensor, 5000, numbers);
        if (index == RopeAttributes::kSequences) fill_below(tensor, 3, numbers);
        if (index == RopeAttributes::kRopeLengths) fill_below(tensor, 200, numbers);
        return index != RopeAttributes::kX;
    };
    const auto inputs = [](std::int64_t heads, std::int64_t d, bool lengths) {
        std::vector<TensorType> types{{DType::f32, {'T', heads, d}}, {DType::i32, {'T'}}};
        if (lengths) types.insert(types.end(), {{DType::i32, {'T'}}, {DType::i32, {'S'}}});
        return types;
    };
    RopeAttributes scaled{.theta = 5000.0f, .rotary_dim = 2 * pairs, .attention_scale = 1.25f, .original_max = 100};
    for (std::int64_t i = 0; i < pairs; ++i) {
        scaled.short_factor.push_back(1.0f + random.uniform());
        scaled.long_factor.push_back(2.0f + 30.0f * random.uniform());
    }
    RopeAttributes only_short = scaled;
    only_short.long_factor.clear();
    return {{inputs(n, 2 * pairs, false), RopeAttributes{}, symbols, fill},
            {inputs(n, 2 * pairs, true), RopeAttributes{.theta = 1e6f}, symbols, fill},
            {inputs(n, 2 * pairs + rest, false), RopeAttributes{.rotary_dim = 2 * pairs}, symbols, fill},
            {inputs(n, 2 * pairs, false), only_short, symbols, fill},
            {inputs(n, 2 * pairs, true), scaled, symbols, fill},
            {inputs(n, 2 * pairs + rest, true), scaled, symbols, fill}};
}

}  // namespace

void inverse_frequencies(const RopeAttributes& attributes, bool long_context, std::span<float> out) {
    const bool is_long = long_context && attributes.by_length();
    const std::vector<float>& factors = is_long ? attributes.long_factor : attributes.short_factor;
    const auto rotary = static_cast<float>(2 * out.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
        // Rounded to fp32 where the reference implementations round: at position 4000 the last bit of a frequency is
        // 2e-4 of an angle.
        const float exponent = static_cast<float>(2 * i) / rotary;
        const auto wavelength = static_cast<float>(std::pow(double(attributes.theta), double(exponent)));
        out[i] = 1.0f / (factors.empty() ? wavelength : factors[i] * wavelength);
    }
}

const OpDef kRope{
    .name = "rope",
    .doc =
        "Rotary position embedding. In each head of token t, the pair (x[i], x[i + rotary_dim / 2]) is rotated by the "
        "angle a = positions[t] * f[i]: out[i] = x[i] cos a - x[i + rotary_dim / 2] sin a, out[i + rotary_dim / 2] = "
        "x[i + rotary_dim / 2] cos a + x[i] sin a, with cos and sin multiplied by attention_scale; elements from "
        "rotary_dim on "
        "are copied. f[i] = 1 / (factor[i] * theta^(2i / rotary_dim)), where factor is long_factor if it is given and "
        "rope_lengths[sequences[t]] > original_max, else short_factor if it is given, else 1. "
        "rotary_dim 0 means the whole head.",
    .inputs = {"x",
               {"positions", InputRole::positions},
               InputDef("sequences", InputRole::sequences, "rope_lengths").optional(),
               InputDef("rope_lengths", InputRole::total_lengths).optional()},
    .infer = infer,
    .parse_attributes = &Attributes::parse<RopeAttributes>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
    .in_place = 0,
};

Value rope(At at, Value x, Value positions, RopeAttributes attributes, Value sequences, Value rope_lengths) {
    return at.apply(kRope, {x, positions, sequences, rope_lengths}, std::move(attributes));
}

}  // namespace vitro
