#include "graph/elements.h"

#include "base/half.h"
#include "base/packed.h"

#include <algorithm>
#include <cmath>

namespace vitro {

double element(DType dtype, const std::byte* data, std::int64_t index) {
    if (const DTypeInfo& type = info(dtype); type.storage != Storage::plain) {
        const std::int64_t block = index / type.block_elements;
        constexpr std::int64_t kMostElements = 4096;
        float values[kMostElements];
        dequantize_matrix(dtype, data + block * type.block_bytes, type.block_rows, block_columns(dtype), values);
        return double{values[index % type.block_elements]};
    }
    return dispatch(dtype,
                    [&]<class T>(T) { return static_cast<double>(float(reinterpret_cast<const T*>(data)[index])); });
}

std::int64_t count(DType dtype, const Elements& elements) {
    return static_cast<std::int64_t>(elements.size()) / info(dtype).block_bytes * info(dtype).block_elements;
}

double largest(DType dtype, const Elements& elements) {
    if (info(dtype).storage != Storage::plain) {
        const std::int64_t n = count(dtype, elements), columns = block_columns(dtype);
        Elements numbers(static_cast<std::size_t>(n) * sizeof(float));
        dequantize_matrix(dtype, elements.data(), n / columns, columns, reinterpret_cast<float*>(numbers.data()));
        return largest(DType::f32, numbers);
    }
    double found = 0;
    for (std::int64_t i = 0; i < count(dtype, elements); ++i) {
        const double magnitude = std::abs(element(dtype, elements.data(), i));
        if (std::isfinite(magnitude)) found = std::max(found, magnitude);
    }
    return found;
}

double unit(DType dtype) {
    switch (dtype) {
        case DType::f32:
            return 0x1p-23;
        case DType::f16:
            return 0x1p-10;
        case DType::bf16:
            return 0x1p-7;
        case DType::q8_32:
            return 0x1p-8;
        default:
            return 0x1p-3;
    }
}

std::string first_difference(const TensorType& type, const Elements& expected, const Elements& found,
                             Tolerance tolerance) {
    if (expected.size() != found.size()) return "sizes differ";
    if (is_packed(type.dtype)) {
        const auto at = std::mismatch(expected.begin(), expected.end(), found.begin()).first - expected.begin();
        return at == std::ssize(expected) ? "" : fmt::format("byte {} of {} differs", at, to_string(type));
    }
    const auto [relative, absolute] = tolerance;
    for (std::int64_t i = 0; i < count(type.dtype, expected); ++i) {
        const double e = element(type.dtype, expected.data(), i), f = element(type.dtype, found.data(), i);
        const bool near =
            e == f || (std::isnan(e) && std::isnan(f)) || std::abs(f - e) <= absolute + relative * std::abs(e);
        if (!near || std::isinf(e) != std::isinf(f))
            return fmt::format("element {} of {}: expected {}, found {}", i, to_string(type), e, f);
    }
    return {};
}

}  // namespace vitro
