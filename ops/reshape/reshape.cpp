#include "ops/reshape/reshape.h"

#include "base/checked.h"

#include <algorithm>
#include <cstring>

namespace vitro {
namespace {

/// What a reshape keeps: the product of the constants, and which symbols there are.
struct Content {
    std::int64_t constants = 1;
    std::string symbols;
    bool operator==(const Content&) const = default;
};

Content content_of(const Shape& shape) {
    Content content;
    for (const Dim dim : shape) {
        if (dim.is_symbol()) {
            content.symbols += dim.symbol;
            continue;
        }
        if (dim.size < 1) fail("expected sizes of at least 1, found {}", to_string(shape));
        const auto product = checked_mul(content.constants, dim.size);
        if (!product) fail("{} has too many elements", to_string(shape));
        content.constants = *product;
    }
    std::sort(content.symbols.begin(), content.symbols.end());
    return content;
}

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    const TensorType& x = inputs[0];
    const Shape& shape = attributes.as<Reshape>().shape;
    if (content_of(x.shape) != content_of(shape))
        fail("expected a shape with as many elements and the same symbols, found {}", to_string(shape));
    if (info(x.dtype).block_elements > 1 && (shape.empty() || shape.back() != x.dim(-1)))
        fail("expected rows of {} as before, whose elements are in blocks, found {}", to_string(x.dim(-1)),
             to_string(shape));
    return {{x.dtype, shape}};
}

void reference(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    if (out.data != x.data) std::memcpy(out.data, x.data, static_cast<std::size_t>(out.bytes()));
}

Cost cost(const Call&) { return {}; }

std::vector<Example> examples(Random& random) {
    const std::int64_t n = random.integer(1, 5), d = random.integer(1, 9);
    SymbolValues symbols;
    symbols['T'] = random.integer(1, 20);
    symbols['C'] = random.integer(1, 20);
    return {{{{DType::f32, {'T', n * d}}}, Reshape{{'T', n, d}}, symbols},
            {{{DType::f32, {n, 'T', 'C', d}}}, Reshape{{'C', d * n, 'T'}}, symbols},
            {{{DType::f32, {1, 1}}}, Reshape{{1}}, symbols},
            {{{DType::i32, {n, d}}}, Reshape{{n * d}}, symbols}};
}

}  // namespace

const OpDef kReshape{
    .name = "reshape",
    .doc = "out has x's elements in x's (row-major) order, and the given shape. Nothing moves: out is x's memory.",
    .inputs = {"x"},
    .locality = Locality::moves,
    .infer = infer,
    .is_identity = keeps_type,
    .parse_attributes = &Attributes::parse<Reshape>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
    .aliases = {{0, 0}},
    .is_view = true,
};

Value reshape(At at, Value x, Shape shape) { return at.apply(kReshape, {x}, Reshape{std::move(shape)}); }

}  // namespace vitro
