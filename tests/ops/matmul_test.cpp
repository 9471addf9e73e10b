#include "ops/matmul/matmul.h"

#include "backends/cpu/cpu_backend.h"
#include "base/half.h"
#include "ops/op_list.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

using namespace vitro;

namespace {

struct Matrix {
    DType dtype;
    std::vector<std::int64_t> sizes;
    std::vector<std::byte> memory;

    Matrix(DType type, std::vector<std::int64_t> shape) : dtype(type), sizes(std::move(shape)) {
        memory.resize(static_cast<std::size_t>(tensor().bytes()));  // exact: a read past the end is ASan's to find
    }
    Tensor tensor() const { return {dtype, sizes, const_cast<std::byte*>(memory.data())}; }
    double at(std::int64_t i) const {
        return dispatch_float(dtype, [&]<class T>(T) { return double(float(tensor().as<T>()[i])); });
    }
    Matrix& fill(std::uint64_t seed) {
        Random random(seed);
        dispatch_float(dtype, [&]<class T>(T) {
            for (std::int64_t i = 0; i < tensor().elements(); ++i) tensor().as<T>()[i] = T(random.normal());
        });
        return *this;
    }
    /// Rows [begin, end) of a matrix of rank 2.
    Matrix rows(std::int64_t begin, std::int64_t end) const {
        Matrix out(dtype, {end - begin, sizes[1]});
        std::memcpy(out.memory.data(), memory.data() + bytes_of(dtype, begin * sizes[1]), out.memory.size());
        return out;
    }
};

Matrix multiply(const Matrix& a, const Matrix& b, bool transpose_b, int threads = 2) {
    std::vector<std::int64_t> shape = a.sizes;
    shape.back() = b.sizes[b.sizes.size() - (transpose_b ? 2 : 1)];
    Matrix out(a.dtype, shape);
    std::memset(out.memory.data(), 0xff, out.memory.size());  // NaN: every element has to be written
    CpuBackend backend(threads);
    const Attributes attributes = Matmul{transpose_b};
    const Tensor inputs[] = {a.tensor(), b.tensor()}, outputs[] = {out.tensor()};
    Call call{inputs, outputs, attributes, backend};
    const KernelDef& kernel = *find_kernel(cpu_kernels(), "matmul");
    const std::size_t bytes = kernel.scratch(call);
    const Buffer scratch = backend.allocate(bytes, "scratch");
    std::memset(scratch.data(), 0xff, bytes);
    call.scratch = {scratch.data(), bytes};
    kernel.run(call);
    return out;
}

/// Compares with sums in double; the tolerance is the output's rounding and K roundings of fp32.
void check_product(const Matrix& a, const Matrix& b, bool transpose_b) {
    const Matrix out = multiply(a, b, transpose_b);
    const Tensor x = a.tensor(), y = b.tensor(), z = out.tensor();
    const std::int64_t m = x.dim(-2), k = x.dim(-1), n = z.dim(-1);
    const double epsilon = a.dtype == DType::f32 ? 0x1p-24 : a.dtype == DType::f16 ? 0x1p-11 : 0x1p-8;
    int wrong = 0;
    for (std::int64_t row = 0; row < z.rows(); ++row) {
        const std::int64_t matrix = y.rank == 2 ? 0 : row / m * k * n;
        for (std::int64_t j = 0; j < n; ++j) {
            double sum = 0, size = 0;
            for (std::int64_t i = 0; i < k; ++i) {
                const double product = a.at(row * k + i) * b.at(matrix + (transpose_b ? j * k + i : i * n + j));
                sum += product;
                size += std::abs(product);
            }
            const double tolerance = epsilon * std::abs(sum) + 0x1p-24 * size * std::sqrt(double(k)) + 1e-7;
            wrong += !(std::abs(out.at(row * n + j) - sum) <= tolerance);
        }
    }
    INFO(name(a.dtype), " x ", name(b.dtype), transpose_b ? " transposed" : "", " m=", m, " n=", n, " k=", k);
    CHECK(wrong == 0);
}

constexpr DType kFloats[] = {DType::f32, DType::f16, DType::bf16};

Matrix second(DType dtype, std::int64_t k, std::int64_t n, bool transpose_b) {
    return transpose_b ? Matrix(dtype, {n, k}) : Matrix(dtype, {k, n});
}

}  // namespace

TEST_CASE("matmul agrees with sums in double for every pair of dtypes and ragged sizes") {
    Random random(1);
    for (const DType a : kFloats) {
        for (const DType b : kFloats) {
            for (const bool transpose_b : {false, true}) {
                for (std::int64_t m = 1; m <= 9; ++m) {
                    const std::int64_t k = random.integer(1, m % 2 ? 20 : 400), n = random.integer(1, 110);
                    check_product(Matrix(a, {m, k}).fill(random.bits()),
                                  second(b, k, n, transpose_b).fill(random.bits()), transpose_b);
                }
            }
        }
    }
}

TEST_CASE("matmul of sizes around every block boundary") {
    for (const bool transpose_b : {false, true}) {
        for (const std::int64_t m : {1, 3, 12, 13, 131, 132, 133, 265}) {
            for (const std::int64_t k : {1, 7, 8, 255, 256, 257, 513})
                check_product(Matrix(DType::f32, {m, k}).fill(1), second(DType::bf16, k, 50, transpose_b).fill(2),
                              transpose_b);
        }
        for (const std::int64_t n : {1, 2, 3, 4, 5, 7, 8, 9, 47, 48, 49, 96, 97}) {
            for (const std::int64_t m : {1, 5})
                check_product(Matrix(DType::bf16, {m, 70}).fill(3), second(DType::f16, 70, n, transpose_b).fill(4),
                              transpose_b);
        }
    }
}

TEST_CASE("matmul of bf16 by bf16, two numbers at a time where the CPU can, of sizes around every boundary") {
    for (const std::int64_t m : {1, 6, 24, 25, 133, 290})
        for (const std::int64_t k : {1, 2, 30, 31, 32, 34, 2046, 2048, 2050, 4098})
            for (const std::int64_t n : {3, 50})
                check_product(Matrix(DType::bf16, {m, k}).fill(1), second(DType::bf16, k, n, true).fill(2), true);
}

TEST_CASE("matmul of a batch multiplies matrix by matrix, or all with one matrix of rank 2") {
    for (const bool transpose_b : {false, true}) {
        for (const std::int64_t m : {1, 2, 20}) {
            const Matrix a = Matrix(DType::f32, {2, 3, m, 37}).fill(5);
            const Matrix b = Matrix(DType::f32, transpose_b ? std::vector<std::int64_t>{2, 3, 53, 37}
                                                            : std::vector<std::int64_t>{2, 3, 37, 53});
            check_product(a, Matrix(b).fill(6), transpose_b);
            check_product(a, second(DType::f32, 37, 53, transpose_b).fill(7), transpose_b);
            const Matrix pairs = Matrix(DType::bf16, {2, 3, m, 38}).fill(5);
            check_product(pairs,
                          Matrix(DType::bf16, transpose_b ? std::vector<std::int64_t>{2, 3, 53, 38}
                                                          : std::vector<std::int64_t>{2, 3, 38, 53})
                              .fill(6),
                          transpose_b);
            check_product(pairs, second(DType::bf16, 38, 53, transpose_b).fill(7), transpose_b);
        }
    }
}

TEST_CASE("a row's product has the same bits alone, in any chunk and with any number of threads") {
    for (const DType dtype : kFloats) {
        for (const bool transpose_b : {false, true}) {
            for (const std::int64_t k : {5, 96, 300, 1111, 2100}) {
                const std::int64_t m = 140, n = 101;
                const Matrix a = Matrix(dtype, {m, k}).fill(8), b = second(DType::bf16, k, n, transpose_b).fill(9);
                const Matrix whole = multiply(a, b, transpose_b, 1);
                CHECK(multiply(a, b, transpose_b, 2).memory == whole.memory);
                CHECK(multiply(a, b, transpose_b, 5).memory == whole.memory);
                bool equal = true;
                std::int64_t begin = 0;
                for (const std::int64_t rows : {1, 1, 2, 3, 4, 5, 7, 1, 11, 30, 75}) {
                    const Matrix part = multiply(a.rows(begin, begin + rows), b, transpose_b);
                    equal = equal && part.memory == whole.rows(begin, begin + rows).memory;
                    begin += rows;
                }
                CHECK(begin == m);
                CHECK(equal);
            }
        }
    }
}

TEST_CASE("an infinity or NaN stays in its own rows and columns") {
    const float infinity = std::numeric_limits<float>::infinity();
    for (const std::int64_t m : {1, 2, 6}) {
        for (const bool transpose_b : {false, true}) {
            Matrix a = Matrix(DType::f32, {m, 13}).fill(10), b = second(DType::f32, 13, 11, transpose_b).fill(11);
            for (std::int64_t k = 0; k < 13; ++k)
                b.tensor().as<float>()[transpose_b ? 5 * 13 + k : k * 11 + 5] = infinity;
            a.tensor().as<float>()[m * 13 - 1] = std::nanf("");
            const Matrix out = multiply(a, b, transpose_b);
            for (std::int64_t i = 0; i < m; ++i) {
                for (std::int64_t j = 0; j < 11; ++j)
                    CHECK(std::isfinite(out.at(i * 11 + j)) == (i != m - 1 && j != 5));
            }
        }
    }
}

TEST_CASE("matmul refuses shapes that do not fit, saying which") {
    const auto infer = [](Shape a, Shape b, bool transpose_b, DType b_dtype = DType::bf16) {
        const std::vector<TensorType> types{{DType::f32, std::move(a)}, {b_dtype, std::move(b)}};
        return kMatmul.infer(types, Matmul{transpose_b}).front();
    };
    CHECK(infer({'T', 64}, {32, 64}, true) == TensorType{DType::f32, {'T', 32}});
    CHECK(infer({4, 'T', 'C'}, {4, 'C', 8}, false) == TensorType{DType::f32, {4, 'T', 8}});
    CHECK(infer({4, 2, 'T', 16}, {16, 8}, false) == TensorType{DType::f32, {4, 2, 'T', 8}});
    CHECK_THROWS_WITH_AS(infer({'T', 64}, {64, 32}, true),
                         "the summed dimension: expected equal sizes, found 64 (a's last) and 32 (b's last)", Error);
    CHECK_THROWS_WITH_AS(infer({'T', 64}, {32, 64}, false),
                         "the summed dimension: expected equal sizes, found 64 (a's last) and 32 (b's last but one)",
                         Error);
    CHECK_THROWS_WITH_AS(infer({4, 'T', 8}, {5, 8, 8}, true), "dimension 0: expected equal sizes, found 4 and 5",
                         Error);
    CHECK_THROWS_WITH_AS(infer({8}, {8, 8}, true), "a: expected at least 2 dimensions, found 1", Error);
    CHECK_THROWS_WITH_AS(infer({2, 2, 2, 8}, {2, 8, 8}, true),
                         "b: expected 2 dimensions or as many as a has (4), found 3", Error);
    CHECK_THROWS_WITH_AS(infer({'T', 8}, {8, 8}, true, DType::i32), "expected floats", Error);
}

TEST_CASE("matmul's cost is two operations a product and every byte once") {
    const Attributes attributes = Matmul{true};
    CpuBackend backend(1);
    const std::int64_t a[] = {7, 30}, b[] = {11, 30}, c[] = {7, 11};
    const Tensor inputs[] = {{DType::f32, a, nullptr}, {DType::bf16, b, nullptr}},
                 outputs[] = {{DType::f32, c, nullptr}};
    const Cost cost = kMatmul.cost({inputs, outputs, attributes, backend});
    CHECK(cost.flops == 2 * 7 * 11 * 30);
    CHECK(cost.bytes == 7 * 30 * 4 + 11 * 30 * 2 + 7 * 11 * 4);
}
