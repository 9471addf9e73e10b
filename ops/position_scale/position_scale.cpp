#include "ops/position_scale/position_scale.h"

#include "base/checked.h"
#include "ops/common/example_fill.h"
#include "ops/common/expect.h"

#include <cmath>

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes&) {
    expect_i32("positions", inputs[0], 1);
    return {{DType::f32, inputs[0].shape}};
}

void reference(const Call& call) {
    const auto [beta, original] = call.attributes.as<PositionScale>();
    for (std::int64_t t = 0; t < call.out().elements(); ++t) {
        const std::int64_t whole = call.in(0).as<std::int32_t>()[t] / original;
        call.out().as<float>()[t] =
            static_cast<float>(1 + static_cast<double>(beta) * std::log1p(static_cast<double>(whole)));
    }
}

Cost cost(const Call& call) {
    return {call.in(0).bytes() + call.out().bytes(), capped_product({call.out().elements(), 8})};
}

std::vector<Example> examples(Random& random) {
    std::vector<Example> all;
    for (const std::int64_t tokens : {std::int64_t{1}, random.integer(2, 70)})
        for (const std::int64_t original : {std::int64_t{1}, random.integer(2, 40)}) {
            SymbolValues symbols;
            symbols['T'] = tokens;
            const auto fill = [](std::size_t, const Tensor& tensor, Random& numbers) {
                fill_below(tensor, 200, numbers);
                return true;
            };
            all.push_back({{{DType::i32, {'T'}}},
                           PositionScale{static_cast<float>(random.integer(-2, 3)) / 4, original},
                           symbols,
                           fill});
        }
    return all;
}

}  // namespace

const OpDef kPositionScale{
    .name = "position_scale",
    .doc =
        "out[t] = 1 + beta * ln(1 + floor(positions[t] / original)): 1 for the first `original` positions, then a "
        "little more for each so many. positions: i32 [T], out: f32 [T].",
    .inputs = {"positions"},
    .infer = infer,
    .parse_attributes = &Attributes::parse<PositionScale>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
};

Value position_scale(At at, Value positions, PositionScale attributes) {
    return at.apply(kPositionScale, {positions}, attributes);
}

}  // namespace vitro
