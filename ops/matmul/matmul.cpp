#include "ops/matmul/matmul.h"

#include "base/checked.h"
#include "ops/common/dequantize.h"
#include "ops/common/expect.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    const TensorType &a = inputs[0], &b = inputs[1];
    const bool transposed = attributes.as<Matmul>().transpose_b;
    if (is_block_quantized(b.dtype)) {
        expect_blocks("b", b, 2);
        if (!transposed) fail("b: expected blocks along the summed dimension, as transpose_b has them");
    }
    if (!is_float(a.dtype) || !(is_float(b.dtype) || is_block_quantized(b.dtype))) fail("expected floats");
    if (a.rank() < 2) fail("a: expected at least 2 dimensions, found {}", a.rank());
    if (b.rank() != 2 && b.rank() != a.rank())
        fail("b: expected 2 dimensions or as many as a has ({}), found {}", a.rank(), b.rank());
    if (b.rank() > 2) {
        for (int i = 0; i < a.rank() - 2; ++i) {
            if (a.dim(i) != b.dim(i))
                fail("dimension {}: expected equal sizes, found {} and {}", i, to_string(a.dim(i)),
                     to_string(b.dim(i)));
        }
    }
    const Dim b_inner = b.dim(transposed ? -1 : -2);
    if (a.dim(-1) != b_inner)
        fail("the summed dimension: expected equal sizes, found {} (a's last) and {} (b's {})", to_string(a.dim(-1)),
             to_string(b_inner), transposed ? "last" : "last but one");
    TensorType out = a;
    out.shape.back() = b.dim(transposed ? -2 : -1);
    return {out};
}

void reference(const Call& call) {
    const Tensor &a = call.in(0), &out = call.out();
    Tensor b = call.in(1);
    std::vector<float> values;
    if (is_block_quantized(b.dtype)) {
        values.resize(static_cast<std::size_t>(b.elements()));
        dequantize(b.dtype, b.as<std::byte>(), b.elements(), values.data());
        b.dtype = DType::f32;
        b.data = values.data();
    }
    const bool transposed = call.attributes.as<Matmul>().transpose_b;
    const std::int64_t m = a.dim(-2), k = a.dim(-1), n = out.dim(-1);
    const std::int64_t b_k = transposed ? 1 : n, b_n = transposed ? k : 1;  // steps along k and n
    dispatch_float(a.dtype, [&]<class A>(A) {
        dispatch_float(b.dtype, [&]<class B>(B) {
            for (std::int64_t row = 0; row < out.rows(); ++row) {
                const A* x = a.as<A>() + row * k;
                const B* matrix = b.as<B>() + (b.rank == 2 ? 0 : row / m * k * n);
                for (std::int64_t j = 0; j < n; ++j) {
                    double sum = 0;
                    for (std::int64_t i = 0; i < k; ++i) sum += double(float(x[i])) * float(matrix[i * b_k + j * b_n]);
                    out.as<A>()[row * n + j] = A(float(sum));
                }
            }
        });
    });
}

Cost cost(const Call& call) {
    const Tensor &a = call.in(0), &b = call.in(1), &out = call.out();
    return {a.bytes() + b.bytes() + out.bytes(), capped_product({2, out.elements(), a.dim(-1)})};
}

std::vector<Example> examples(Random& random) {
    const auto f = [](Shape shape) { return TensorType{DType::f32, std::move(shape)}; };
    const std::int64_t k = random.integer(1, 300), n = random.integer(1, 150), d = random.integer(1, 70);
    SymbolValues symbols;
    symbols['T'] = random.integer(2, 40);
    symbols['C'] = random.integer(1, 90);
    SymbolValues one = symbols;
    one['T'] = 1;
    const Matmul transpose_b{.transpose_b = true};
    return {{{f({'T', k}), f({n, k})}, transpose_b, one},
            {{f({'T', k}), f({n, k})}, transpose_b, symbols},
            {{f({'T', k}), f({k, n})}, Matmul{}, one},
            {{f({'T', k}), f({k, n})}, Matmul{}, symbols},
            {{f({3, 'T', d}), f({3, 'C', d})}, transpose_b, one},
            {{f({3, 'T', d}), f({3, 'C', d})}, transpose_b, symbols},
            {{f({3, 'T', 'C'}), f({3, 'C', d})}, Matmul{}, one},
            {{f({3, 'T', 'C'}), f({3, 'C', d})}, Matmul{}, symbols},
            {{f({2, 3, 'T', k}), f({n, k})}, transpose_b, symbols}};
}

}  // namespace

const OpDef kMatmul{
    .name = "matmul",
    .doc =
        "out[.., m, n] = sum over k of a[.., m, k] * b[.., k, n]; with transpose_b, b is [.., n, k], as linear layers "
        "store their weights. b has rank 2 (one matrix for all) or a's leading dimensions. out has a's dtype; the sum "
        "is fp32, in an order that depends only on the size of k, the summed dimension.",
    .inputs = {"a", {"b", InputRole::shared}},
    .locality = Locality::rows,
    .infer = infer,
    .parse_attributes = &Attributes::parse<Matmul>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
};

Value matmul(At at, Value a, Value b, Matmul attributes) { return at.apply(kMatmul, {a, b}, attributes); }

}  // namespace vitro
