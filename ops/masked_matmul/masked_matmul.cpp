#include "ops/masked_matmul/masked_matmul.h"

#include "base/checked.h"
#include "base/half.h"
#include "ops/add_mask/add_mask.h"
#include "ops/common/expect.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes&) {
    const TensorType &a = inputs[0], &b = inputs[1], &mask = inputs[2];
    expect_float("a", a);
    expect_rank_at_least("a", a, 2);
    expect_float("b", b, a.rank());
    for (int i = 0; i < a.rank() - 2; ++i)
        if (a.dim(i) != b.dim(i))
            fail("dimension {}: expected equal sizes, found {} and {}", i, to_string(a.dim(i)), to_string(b.dim(i)));
    if (a.dim(-1) != b.dim(-2))
        fail("the summed dimension: expected equal sizes, found {} (a's last) and {} (b's last but one)",
             to_string(a.dim(-1)), to_string(b.dim(-2)));
    const Shape pairs{a.dim(-2), a.dim(-1)};
    expect_float("mask", mask);
    if (mask.shape != pairs) fail("mask: expected {}, found {}", to_string(pairs), to_string(mask));
    TensorType out = a;
    out.shape.back() = b.dim(-1);
    return {out};
}

void reference(const Call& call) {
    const Tensor &a = call.in(0), &b = call.in(1), &out = call.out();
    const std::int64_t m = a.dim(-2), k = a.dim(-1), n = out.dim(-1);
    dispatch_float(a.dtype, [&]<class A>(A) {
        dispatch_float(b.dtype, [&]<class B>(B) {
            dispatch_float(call.in(2).dtype, [&]<class M>(M) {
                for (std::int64_t row = 0; row < out.rows(); ++row) {
                    const A* weights = a.as<A>() + row * k;
                    const B* values = b.as<B>() + row / m * k * n;
                    const M* mask = call.in(2).as<M>() + row % m * k;
                    for (std::int64_t j = 0; j < n; ++j) {
                        double sum = 0;
                        for (std::int64_t i = 0; i < k; ++i)
                            if (float(mask[i]) != kMasked) sum += double(float(weights[i])) * float(values[i * n + j]);
                        out.as<A>()[row * n + j] = A(float(sum));
                    }
                }
            });
        });
    });
}

Cost cost(const Call& call) {
    Cost cost{0, capped_product({2, call.out().elements(), call.in(0).dim(-1)})};
    for (const Tensor& tensor : call.inputs) cost.bytes += tensor.bytes();
    cost.bytes += call.out().bytes();
    return cost;
}

/// Half of the mask is -inf, and every third row throughout.
bool fill(std::size_t input, const Tensor& tensor, Random& random) {
    if (input != 2) return false;
    const std::int64_t k = tensor.dim(-1);
    dispatch_float(tensor.dtype, [&]<class M>(M) {
        for (std::int64_t i = 0; i < tensor.elements(); ++i)
            tensor.as<M>()[i] = M((i / k) % 3 == 1 || random.integer(0, 1) == 0 ? kMasked : 0.0f);
    });
    return true;
}

std::vector<Example> examples(Random& random) {
    const auto f = [](Shape shape) { return TensorType{DType::f32, std::move(shape)}; };
    const std::int64_t n = random.integer(1, 70), k = random.integer(1, 50);
    SymbolValues symbols;
    symbols['T'] = random.integer(2, 20);
    symbols['C'] = random.integer(1, 90);
    SymbolValues one = symbols;
    one['T'] = 1;
    return {{{f({3, 'T', 'C'}), f({3, 'C', n}), f({'T', 'C'})}, {}, symbols, fill},
            {{f({2, 'T', 'C'}), f({2, 'C', n}), f({'T', 'C'})}, {}, one, fill},
            {{f({'T', k}), f({k, n}), f({'T', k})}, {}, symbols, fill},
            {{f({1, 2, 'T', k}), f({1, 2, k, n}), f({'T', k})}, {}, symbols, fill}};
}

}  // namespace

const OpDef kMaskedMatmul{
    .name = "masked_matmul",
    .doc =
        "out[.., m, n] = sum over the k with mask[m, k] != -inf of a[.., m, k] * b[.., k, n]: masked elements have no "
        "effect, even NaN. b has a's leading dimensions, mask is [m, k] for all of them. out has a's dtype; the sum "
        "is fp32, in the order of k.",
    .inputs = {"a", {"b", InputRole::shared}, "mask"},
    .locality = Locality::rows,
    .infer = infer,
    .reference = reference,
    .cost = cost,
    .examples = examples,
};

Value masked_matmul(At at, Value a, Value b, Value mask) { return at.apply(kMaskedMatmul, {a, b, mask}); }

}  // namespace vitro
