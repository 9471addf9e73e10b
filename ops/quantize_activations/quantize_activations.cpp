#include "ops/quantize_activations/quantize_activations.h"

#include "base/half.h"
#include "base/rounded.h"
#include "ops/common/expect.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes&) {
    const TensorType& x = inputs[0];
    constexpr std::int64_t kBlock = block_columns(DType::q8_32);
    expect_float("x", x, 2);
    if (x.dim(1).is_symbol() || x.dim(1).size % kBlock != 0)
        fail("x: expected rows of whole blocks of {}, found {}", kBlock, to_string(x));
    return {{DType::q8_32, x.shape}};
}

void reference(const Call& call) {
    const Tensor& x = call.in(0);
    std::vector<float> values(static_cast<std::size_t>(x.elements()));
    dispatch_float(x.dtype, [&]<class T>(T) {
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = float(x.as<T>()[i]);
    });
    round_activations(values.data(), x.elements(), call.out().as<Rounded32>());
}

Cost cost(const Call& call) { return {call.in(0).bytes() + call.out().bytes(), 3 * call.in(0).elements()}; }

std::vector<Example> examples(Random& random) {
    SymbolValues symbols;
    symbols['T'] = random.integer(1, 20);
    return {{{{DType::f32, {'T', 32 * random.integer(1, 20)}}}, {}, symbols}, {{{DType::f32, {3, 32}}}, {}, {}}};
}

}  // namespace

const OpDef kQuantizeActivations{
    .name = "quantize_activations",
    .doc =
        "out = x in the type q8_32: each 32 neighbours in a row become 8-bit integers times one scale, their max |x| / "
        "127.",
    .inputs = {"x"},
    .locality = Locality::rows,
    .infer = infer,
    .reference = reference,
    .cost = cost,
    .examples = examples,
};

Value quantize_activations(At at, Value x) { return at.apply(kQuantizeActivations, {x}); }

}  // namespace vitro
