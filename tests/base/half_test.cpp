#include "base/half.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>

namespace vitro {
namespace {

/// Every bit pattern goes to fp32 and back unchanged; NaNs stay NaNs and keep their sign.
template <class Half>
int changed_by_round_trip() {
    int changed = 0;
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
        Half half;
        half.bits = static_cast<std::uint16_t>(bits);
        const auto value = float(half);
        const Half again(value);
        const bool same = std::isnan(value) ? std::isnan(float(again)) && ((again.bits ^ half.bits) & 0x8000) == 0
                                            : again.bits == half.bits;
        changed += !same;
    }
    return changed;
}

/// Between each pair of neighbouring finite values: what lies nearer to one becomes that one, the middle the even one.
template <class Half>
int wrongly_rounded(std::uint16_t infinity) {
    int wrong = 0;
    for (std::uint16_t bits = 0; bits + 1 < infinity; ++bits) {
        Half low, high;
        low.bits = bits;
        high.bits = static_cast<std::uint16_t>(bits + 1);
        const float middle = float(low) + (float(high) - float(low)) / 2;  // exact: one more significant bit
        const std::uint16_t even = bits % 2 == 0 ? low.bits : high.bits;
        for (const float sign : {1.0f, -1.0f}) {
            const std::uint16_t sign_bit = sign < 0 ? 0x8000 : 0;
            wrong += Half(sign * middle).bits != (even | sign_bit);
            wrong += Half(sign * std::nextafter(middle, 0.0f)).bits != (low.bits | sign_bit);
            wrong += Half(sign * std::nextafter(middle, INFINITY)).bits != (high.bits | sign_bit);
        }
    }
    return wrong;
}

TEST_CASE("every f16 and every bf16 goes through fp32 unchanged") {
    CHECK(changed_by_round_trip<f16>() == 0);
    CHECK(changed_by_round_trip<bf16>() == 0);
}

TEST_CASE("rounding is to nearest, ties to even, over all values") {
    CHECK(wrongly_rounded<f16>(0x7c00) == 0);
    CHECK(wrongly_rounded<bf16>(0x7f80) == 0);
}

TEST_CASE("known values and ends of the range") {
    CHECK(f16(1.0f).bits == 0x3c00);
    CHECK(f16(65504.0f).bits == 0x7bff);
    CHECK(f16(65520.0f).bits == 0x7c00);  // half a step above the largest: infinity
    CHECK(f16(5.9604645e-8f).bits == 1);  // the least denormal
    CHECK(bf16(1.0f).bits == 0x3f80);
    CHECK(bf16(3.4e38f).bits == 0x7f80);
    CHECK(bf16(-INFINITY).bits == 0xff80);
    CHECK(bf16(-0.0f).bits == 0x8000);
    // A NaN whose upper half has no mantissa bit must not become infinity.
    CHECK(std::isnan(float(bf16(std::bit_cast<float>(0x7f800001u)))));
    CHECK(std::isnan(float(bf16(std::bit_cast<float>(0xffffffffu)))));
}

TEST_CASE("all 256 codes of f8e4m3 are what OFP8 says, and come back") {
    for (int code = 0; code < 256; ++code) {
        f8e4m3 value;
        value.bits = static_cast<std::uint8_t>(code);
        const int exponent = code >> 3 & 15, mantissa = code & 7;
        if ((code & 0x7f) == 0x7f) {
            CHECK(std::isnan(float(value)));
            continue;
        }
        const double magnitude = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
        CHECK(double(float(value)) == (code < 128 ? magnitude : -magnitude));
        CHECK(f8e4m3(float(value)).bits == code);
    }
}

TEST_CASE("f8e4m3 rounds to the nearest code, ties to the even one, and saturates") {
    for (int code = 0; code < 0x7e; ++code) {
        const auto at = [](int bits) {
            f8e4m3 value;
            value.bits = static_cast<std::uint8_t>(bits);
            return float(value);
        };
        const float middle = (at(code) + at(code + 1)) / 2;
        CHECK(f8e4m3(middle).bits == (code % 2 == 0 ? code : code + 1));
        CHECK(f8e4m3(std::nextafter(middle, 0.0f)).bits == code);
        CHECK(f8e4m3(std::nextafter(middle, 1000.0f)).bits == code + 1);
        CHECK(f8e4m3(-middle).bits == (f8e4m3(middle).bits | 0x80));
    }
    CHECK(float(f8e4m3(1e9f)) == 448);
    CHECK(float(f8e4m3(-INFINITY)) == -448);
    CHECK(float(f8e4m3(464.0f)) == 448);
    CHECK(std::isnan(float(f8e4m3(NAN))));
}

TEST_CASE("dispatch gives the type that stores a dtype") {
    const auto size = [](DType dtype) { return dispatch(dtype, [](auto t) { return sizeof t; }); };
    CHECK(size(DType::f32) == 4);
    CHECK(size(DType::f16) == 2);
    CHECK(size(DType::bf16) == 2);
    CHECK(size(DType::i32) == 4);
    CHECK(size(DType::f8e4m3) == 1);
    CHECK(dispatch(DType::i32, [](auto t) { return std::is_same_v<decltype(t), std::int32_t>; }));
    CHECK(dispatch_float(DType::bf16, [](auto t) { return std::is_same_v<decltype(t), bf16>; }));
}

}  // namespace
}  // namespace vitro
