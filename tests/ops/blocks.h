// Random weights in blocks, and how far a product is from another.
#pragma once

#include "tests/ops/run_op.h"

#include <cmath>
#include <cstring>
#include <vector>

namespace vitro::test {

/// Where a block has 16-bit scales.
inline std::vector<int> scales_of(DType dtype) {
    switch (dtype) {
        case DType::q4_1:
        case DType::q5_1:
        case DType::q4_k:
        case DType::q5_k:
            return {0, 2};
        case DType::q2_k:
            return {80, 82};
        case DType::q3_k:
            return {108};
        case DType::q6_k:
            return {208};
        case DType::mxfp4:
            return {};
        default:
            return {0};
    }
}

/// Any bytes but for the scales, which are of the size that makes weights of about 1.
inline Data random_blocks(DType dtype, std::int64_t rows, std::int64_t k, Random& random) {
    Data out(TensorType{dtype, {rows, k}});
    const DTypeInfo& type = info(dtype);
    for (std::byte& byte : out.memory) byte = static_cast<std::byte>(random.integer(0, 255));
    for (std::size_t at = 0; at < out.memory.size(); at += std::size_t(type.block_bytes)) {
        for (const int scale : scales_of(dtype)) {
            const f16 value(0.001f * static_cast<float>(random.integer(-20, 20)));
            std::memcpy(&out.memory[at + std::size_t(scale)], &value, sizeof value);
        }
        if (dtype == DType::mxfp4) out.memory[at] = static_cast<std::byte>(random.integer(120, 128));
    }
    return out;
}

/// Mean squared difference by mean square, where that is not 0.
inline double relative_error(const std::vector<float>& expected, const std::vector<float>& found) {
    double difference = 0, square = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        difference += std::pow(double(found[i]) - double(expected[i]), 2);
        square += std::pow(double(expected[i]), 2);
    }
    return square > 0 ? difference / square : difference;
}

inline Data random_rows(std::int64_t rows, std::int64_t k, Random& random) {
    std::vector<float> x(std::size_t(rows * k));
    for (float& value : x) value = static_cast<float>(random.normal());
    return floats({rows, k}, x);
}

}  // namespace vitro::test
