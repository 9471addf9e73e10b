#include "base/quantize.h"

#include "base/blocks.h"
#include "base/half.h"
#include "base/random.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace vitro::test {
namespace {

template <class Body>
void each_quantizer(Body&& body) {
    std::size_t seen = 0;
    for (const DTypeInfo& type : kDTypes) {
        if (!can_quantize(type.dtype)) continue;
        CAPTURE(type.name);
        ++seen;
        body(type.dtype);
    }
    CHECK(seen == 7);
}

std::vector<std::byte> blocks_of(DType dtype, const std::vector<float>& values) {
    std::vector<std::byte> blocks(static_cast<std::size_t>(bytes_of(dtype, std::ssize(values))));
    quantize(dtype, values.data(), std::ssize(values), blocks.data());
    return blocks;
}

std::vector<float> values_of(DType dtype, const std::vector<std::byte>& blocks, std::size_t n) {
    std::vector<float> values(n);
    dequantize(dtype, blocks.data(), static_cast<std::int64_t>(n), values.data());
    return values;
}

double error_of(DType dtype, const std::vector<float>& values) {
    const std::vector<float> found = values_of(dtype, blocks_of(dtype, values), values.size());
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += std::pow(double(found[i]) - double(values[i]), 2);
    return sum / static_cast<double>(values.size());
}

TEST_CASE("zeros stay zeros, and a NaN or an infinity makes its block NaN and no other") {
    each_quantizer([](DType dtype) {
        std::vector<float> values(512);
        CHECK(values_of(dtype, blocks_of(dtype, values), 512) == values);
        for (const float odd : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
            values.assign(512, 0.25f);
            values[3] = odd;
            const std::vector<float> found = values_of(dtype, blocks_of(dtype, values), 512);
            const auto block = static_cast<std::size_t>(info(dtype).block_elements);
            for (std::size_t i = 0; i < 512; ++i) CHECK(std::isnan(found[i]) == (i < block));
        }
    });
}

TEST_CASE("what blocks can say is said without an error") {
    each_quantizer([](DType dtype) {
        // Every value of a scale that f16 has: of q4_0 and q6_k's codes with both signs, of the others' from a minimum.
        std::vector<float> values(512);
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 16) - 8;
        CHECK(error_of(dtype, values) < (dtype == DType::q8_0 ? 4e-4 : 2e-6));
        for (float& value : values) value = -value;
        CHECK(error_of(dtype, values) < (dtype == DType::q8_0 ? 4e-4 : 2e-6));
    });
}

TEST_CASE("the error of normal numbers is that of their bits") {
    Random random(1);
    std::vector<float> values(256 * 64);
    for (float& value : values) value = static_cast<float>(random.normal());
    // Mean squared errors of numbers of variance 1; each bit more divides by four.
    CHECK(error_of(DType::q8_0, values) < 5e-5);
    CHECK(error_of(DType::q6_k, values) < 3e-4);
    CHECK(error_of(DType::q5_k, values) < 1.5e-3);
    CHECK(error_of(DType::q5_0, values) < 2e-3);
    CHECK(error_of(DType::q5_1, values) < 2e-3);
    CHECK(error_of(DType::q4_k, values) < 6e-3);
    CHECK(error_of(DType::q4_0, values) < 8e-3);
    CHECK(error_of(DType::q4_0, values) > error_of(DType::q4_k, values));
}

}  // namespace
}  // namespace vitro::test
