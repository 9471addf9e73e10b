#include "ops/pack/pack.h"

#include "base/packed.h"
#include "ops/concat/concat.h"
#include "ops/dequantize/dequantize.h"
#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

namespace vitro::test {
namespace {

/// Any bytes but those that make a 16-bit scale infinite, wherever it stands.
Data random_blocks(DType dtype, std::int64_t rows, std::int64_t columns, Random& random) {
    Data out(TensorType{dtype, {rows, columns}});
    for (std::byte& byte : out.memory) byte = static_cast<std::byte>(random.integer(0, 255) & 0xbb);
    return out;
}

TEST_CASE("packed weights are other bytes that stand for the same numbers") {
    Random random(1);
    for (const DTypeInfo& type : kDTypes) {
        if (!type.packs) continue;
        CAPTURE(type.name);
        const Data x = random_blocks(*type.packs, 2 * type.block_rows, 3 * block_columns(type.dtype), random);
        const auto expected = run_op(kDequantize, {x}, {}, 1)[0].memory;
        for (const int threads : {0, 1, 3}) {
            const Data packed = run_op(kPack, {x}, Pack{type.dtype}, threads)[0];
            CHECK(packed.memory != x.memory);
            CHECK(packed.memory.size() == x.memory.size());
            CHECK(run_op(kDequantize, {packed}, {}, threads)[0].memory == expected);
        }
    }
}

TEST_CASE("packed parts that are joined are the packed whole") {
    Random random(2);
    const DType packed = DType::q4_k_r16;
    const Data a = random_blocks(DType::q4_k, 32, 512, random), b = random_blocks(DType::q4_k, 16, 512, random);
    const Data whole = run_op(kConcat, {a, b}, Concat{0}, 1)[0];
    const Data joined = run_op(
        kConcat, {run_op(kPack, {a}, Pack{packed}, 1)[0], run_op(kPack, {b}, Pack{packed}, 1)[0]}, Concat{0}, 2)[0];
    CHECK(joined.memory == run_op(kPack, {whole}, Pack{packed}, 1)[0].memory);
}

TEST_CASE("pack wants whole groups of rows of the type that it packs") {
    CHECK(refusal(kPack, {{DType::q8_0, {24, 64}}}, Pack{DType::q8_0_r16}) ==
          "x: expected rows that are a multiple of 16 and columns of 32, found q8_0 [24, 64]");
    CHECK(refusal(kPack, {{DType::q4_0, {32, 64}}}, Pack{DType::q8_0_r16}) == "x: expected q8_0, found q4_0 [32, 64]");
    CHECK(refusal(kPack, {{DType::q8_0, {32, 64}}}, Pack{DType::q8_0}) == "dtype: expected a packed type, found q8_0");
}

}  // namespace
}  // namespace vitro::test
