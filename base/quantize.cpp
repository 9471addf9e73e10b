// Compiled without contraction of a * b + c into one rounding (CMakeLists.txt), so that no machine chooses otherwise.
#include "base/quantize.h"

#include "base/error.h"
#include "base/half.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace vitro {
namespace {

constexpr int kSmall = 32, kSuper = 256;  // elements of the two sizes of blocks

/// The nearest integer, ties to even; |x| below 2^22. The loops that call it become vectors.
float nearest(float x) {
    constexpr float kShift = 0x1.8p23f;
    return (x + kShift) - kShift;
}

float as_half(float x) { return float(f16(x)); }

/// What a code may be.
struct Codes {
    float least, most;
};

/// The code nearest to x / scale; `inverse` is 1 / scale, 0 where scale is.
float code_of(float x, float inverse, Codes codes) {
    return std::min(std::max(nearest(std::min(std::max(x * inverse, -1e6f), 1e6f)), codes.least), codes.most);
}

float inverse_of(float scale) {
    const float inverse = 1 / scale;
    return std::isfinite(inverse) ? inverse : 0.0f;
}

/// The sum of (x + minimum - scale * code)² with the nearest codes.
template <int n>
float error_of(const float* x, float scale, float minimum, Codes codes) {
    const float inverse = inverse_of(scale);
    float sum = 0;
    for (int i = 0; i < n; ++i) {
        const float shifted = x[i] + minimum, rest = shifted - scale * code_of(shifted, inverse, codes);
        sum += rest * rest;
    }
    return sum;
}

/// Of x, the number with the largest magnitude.
template <int n>
float extreme(const float* x) {
    float found = 0;
    for (int i = 0; i < n; ++i)
        if (std::abs(x[i]) > std::abs(found)) found = x[i];
    return found;
}

/// The scale that fits the codes which a scale gives: sum of x * code by sum of code².
template <int n>
float fitted_scale(const float* x, float scale, Codes codes) {
    const float inverse = inverse_of(scale);
    float products = 0, squares = 0;
    for (int i = 0; i < n; ++i) {
        const float code = code_of(x[i], inverse, codes);
        products += x[i] * code;
        squares += code * code;
    }
    return squares > 0 ? products / squares : 0;
}

/// The scale of a block with codes on both sides of 0, as `stored` keeps it, that leaves the smallest error.
template <int n>
float best_scale(const float* x, Codes codes, auto&& stored) {
    const float largest = extreme<n>(x);
    float best = stored(largest / codes.least), error = error_of<n>(x, best, 0, codes);
    const auto consider = [&](float candidate) {
        const float scale = stored(candidate), found = error_of<n>(x, scale, 0, codes);
        if (found >= error) return;
        error = found;
        best = scale;
    };
    constexpr int kSteps = 5;
    for (int step = -kSteps; step <= kSteps; ++step) {
        const float shift = 0.22f * static_cast<float>(step);
        consider(largest / (codes.least + shift));
        consider(largest / (codes.most + shift));
    }
    for (int round = 0; round < 2; ++round) consider(fitted_scale<n>(x, best, codes));
    return best;
}

/// A part of a block: x is near scale * code - minimum, codes from 0, and neither is negative.
struct Affine {
    float scale = 0, minimum = 0;
};

/// What fits the codes best that this one gives (least squares); `from` where they are all alike. Unless it `may_rise`,
/// the minimum that is subtracted is not negative.
template <int n>
Affine fitted_line(const float* x, Affine from, Codes codes, bool may_rise = true) {
    const float inverse = inverse_of(from.scale);
    float sum_x = 0, sum_code = 0, squares = 0, products = 0;
    for (int i = 0; i < n; ++i) {
        const float code = code_of(x[i] + from.minimum, inverse, codes);
        sum_x += x[i];
        sum_code += code;
        squares += code * code;
        products += x[i] * code;
    }
    const float determinant = n * squares - sum_code * sum_code;
    if (!(determinant > 0)) return from;
    Affine fit{(n * products - sum_x * sum_code) / determinant, (sum_code * products - squares * sum_x) / determinant};
    if (fit.minimum < 0 && !may_rise) fit = {squares > 0 ? products / squares : 0, 0};
    return fit.scale >= 0 ? fit : from;
}

template <int n>
Affine best_affine(const float* x, Codes codes) {
    const auto [least, most] = std::minmax_element(x, x + n);
    const float low = std::min(0.0f, *least), width = *most - low;
    if (!(width > 0)) return {};
    Affine best{width / codes.most, -low};
    float error = error_of<n>(x, best.scale, best.minimum, codes);
    constexpr int kSteps = 14;
    for (int step = 0; step < kSteps; ++step) {
        const float levels = codes.most - 1 + 0.15f * static_cast<float>(step);
        const Affine fit = fitted_line<n>(x, {width / levels, -low}, codes, false);
        const float found = error_of<n>(x, fit.scale, fit.minimum, codes);
        if (found >= error) continue;
        error = found;
        best = fit;
    }
    return best;
}

void put(std::byte* to, float half) {
    const f16 value(half);
    std::memcpy(to, &value.bits, sizeof value.bits);
}

std::uint8_t byte_of(float code) { return static_cast<std::uint8_t>(static_cast<std::int32_t>(code)); }

void q8_0(const float* x, std::byte* block) {
    constexpr Codes kCodes{-127, 127};
    const float scale = as_half(std::abs(extreme<kSmall>(x)) / kCodes.most), inverse = inverse_of(scale);
    put(block, scale);
    for (int i = 0; i < kSmall; ++i) block[2 + i] = std::byte{byte_of(code_of(x[i], inverse, kCodes))};
}

void q4_0(const float* x, std::byte* block) {
    constexpr Codes kCodes{-8, 7};
    const float scale = best_scale<kSmall>(x, kCodes, as_half), inverse = inverse_of(scale);
    put(block, scale);
    const auto code = [&](int i) { return static_cast<unsigned>(code_of(x[i], inverse, kCodes) + 8); };
    for (int i = 0; i < kSmall / 2; ++i) block[2 + i] = static_cast<std::byte>(code(i) | code(i + kSmall / 2) << 4);
}

/// Of q5_0 and q5_1: the lower four bits of a block's codes, i and i + 16 together, and the fifth bit of each in a
/// word.
void put_five_bits(const std::array<std::uint8_t, kSmall>& codes, std::byte* high, std::byte* low) {
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < kSmall; ++i) word |= std::uint32_t{codes[i]} >> 4 << i;
    std::memcpy(high, &word, sizeof word);
    for (std::size_t i = 0; i < kSmall / 2; ++i)
        low[i] = static_cast<std::byte>((codes[i] & 15) | (codes[i + kSmall / 2] & 15) << 4);
}

void q5_0(const float* x, std::byte* block) {
    constexpr Codes kCodes{-16, 15};
    const float scale = best_scale<kSmall>(x, kCodes, as_half), inverse = inverse_of(scale);
    put(block, scale);
    std::array<std::uint8_t, kSmall> codes{};
    for (std::size_t i = 0; i < kSmall; ++i) codes[i] = byte_of(code_of(x[i], inverse, kCodes) + 16);
    put_five_bits(codes, block + 2, block + 6);
}

/// Here the minimum may have any sign: x is near scale * code + minimum.
void q5_1(const float* x, std::byte* block) {
    constexpr Codes kCodes{0, 31};
    const auto [least, most] = std::minmax_element(x, x + kSmall);
    Affine best{as_half((*most - *least) / kCodes.most), -as_half(*least)};
    float error = error_of<kSmall>(x, best.scale, best.minimum, kCodes);
    constexpr int kSteps = 14;
    for (int step = 0; step < kSteps; ++step) {
        const float levels = kCodes.most - 1 + 0.15f * static_cast<float>(step);
        const Affine fit = fitted_line<kSmall>(x, {(*most - *least) / levels, -*least}, kCodes);
        const Affine stored{as_half(fit.scale), as_half(fit.minimum)};
        const float found = error_of<kSmall>(x, stored.scale, stored.minimum, kCodes);
        if (found >= error) continue;
        error = found;
        best = stored;
    }
    put(block, best.scale);
    put(block + 2, -best.minimum);
    std::array<std::uint8_t, kSmall> codes{};
    const float inverse = inverse_of(best.scale);
    for (std::size_t i = 0; i < kSmall; ++i) codes[i] = byte_of(code_of(x[i] + best.minimum, inverse, kCodes));
    put_five_bits(codes, block + 4, block + 8);
}

/// A block of q4_k or q5_k in numbers: scales of each part of 32 and the codes of all elements.
struct Parts {
    static constexpr int kParts = kSuper / kSmall;
    float scale = 0, minimum = 0;  // of the block, as f16 has them
    std::array<std::uint8_t, kParts> scales{}, minima{};
    std::array<std::uint8_t, kSuper> codes{};
};

Parts parts_of(const float* x, Codes codes) {
    constexpr float kMostCode = 63;  // of scales and minima
    std::array<Affine, Parts::kParts> wanted;
    Parts out;
    for (int part = 0; part < Parts::kParts; ++part) {
        wanted[std::size_t(part)] = best_affine<kSmall>(x + part * kSmall, codes);
        out.scale = std::max(out.scale, wanted[std::size_t(part)].scale);
        out.minimum = std::max(out.minimum, wanted[std::size_t(part)].minimum);
    }
    out.scale = as_half(out.scale / kMostCode);
    out.minimum = as_half(out.minimum / kMostCode);
    for (int part = 0; part < Parts::kParts; ++part) {
        const auto at = std::size_t(part);
        const float* const mine = x + part * kSmall;
        const float scale_at = code_of(wanted[at].scale, inverse_of(out.scale), {0, kMostCode}),
                    minimum_at = code_of(wanted[at].minimum, inverse_of(out.minimum), {0, kMostCode});
        float best = std::numeric_limits<float>::infinity(), scale = 0, minimum = 0;
        for (int s = -1; s <= 1; ++s)
            for (int m = -1; m <= 1; ++m) {
                const float scale_code = std::clamp(scale_at + static_cast<float>(s), 0.0f, kMostCode),
                            minimum_code = std::clamp(minimum_at + static_cast<float>(m), 0.0f, kMostCode);
                const float error = error_of<kSmall>(mine, out.scale * scale_code, out.minimum * minimum_code, codes);
                if (error >= best) continue;
                best = error;
                scale = scale_code;
                minimum = minimum_code;
            }
        out.scales[at] = byte_of(scale);
        out.minima[at] = byte_of(minimum);
        const float inverse = inverse_of(out.scale * scale), shift = out.minimum * minimum;
        for (int i = 0; i < kSmall; ++i)
            out.codes[std::size_t(part * kSmall + i)] = byte_of(code_of(mine[i] + shift, inverse, codes));
    }
    return out;
}

/// Halves, and the six bits each of eight scales and minima in 12 bytes.
void put_scales(const Parts& parts, std::byte* block) {
    put(block, parts.scale);
    put(block + 2, parts.minimum);
    std::uint8_t six[12] = {};
    for (std::size_t i = 0; i < 4; ++i) {
        six[i] = static_cast<std::uint8_t>(parts.scales[i] | parts.scales[i + 4] >> 4 << 6);
        six[i + 4] = static_cast<std::uint8_t>(parts.minima[i] | parts.minima[i + 4] >> 4 << 6);
        six[i + 8] = static_cast<std::uint8_t>((parts.scales[i + 4] & 15) | (parts.minima[i + 4] & 15) << 4);
    }
    std::memcpy(block + 4, six, sizeof six);
}

/// Lower four bits of 256 codes: 64 of them in 32 bytes, the lower halves first.
void put_low_bits(const std::array<std::uint8_t, kSuper>& codes, std::byte* to) {
    for (std::size_t i = 0; i < kSuper / 2; ++i) {
        const std::size_t at = i / 32 * 64 + i % 32;
        to[i] = static_cast<std::byte>((codes[at] & 15) | (codes[at + 32] & 15) << 4);
    }
}

void q4_k(const float* x, std::byte* block) {
    const Parts parts = parts_of(x, {0, 15});
    put_scales(parts, block);
    put_low_bits(parts.codes, block + 16);
}

void q5_k(const float* x, std::byte* block) {
    const Parts parts = parts_of(x, {0, 31});
    put_scales(parts, block);
    put_low_bits(parts.codes, block + 48);
    for (std::size_t i = 0; i < 32; ++i) {
        unsigned high = 0;
        for (std::size_t part = 0; part < 8; ++part) high |= unsigned{parts.codes[part * 32 + i]} >> 4 << part;
        block[16 + i] = static_cast<std::byte>(high);
    }
}

void q6_k(const float* x, std::byte* block) {
    constexpr Codes kCodes{-32, 31};
    constexpr int kPart = 16, kParts = kSuper / kPart;
    std::array<float, kParts> wanted{};
    for (int part = 0; part < kParts; ++part)
        wanted[std::size_t(part)] = best_scale<kPart>(x + part * kPart, kCodes, [](float scale) { return scale; });
    const float largest = extreme<kParts>(wanted.data());
    const float scale = as_half(largest / -128);
    std::array<std::uint8_t, kSuper> codes{};
    for (int part = 0; part < kParts; ++part) {
        const float* const mine = x + part * kPart;
        const float at = code_of(wanted[std::size_t(part)], inverse_of(scale), {-128, 127});
        float best = std::numeric_limits<float>::infinity(), part_scale = 0;
        for (int s = -1; s <= 1; ++s) {
            const float code = std::clamp(at + static_cast<float>(s), -128.0f, 127.0f);
            const float error = error_of<kPart>(mine, scale * code, 0, kCodes);
            if (error >= best) continue;
            best = error;
            part_scale = code;
        }
        block[192 + part] = std::byte{byte_of(part_scale)};
        const float inverse = inverse_of(scale * part_scale);
        for (int i = 0; i < kPart; ++i)
            codes[std::size_t(part * kPart + i)] = byte_of(code_of(mine[i], inverse, kCodes) + 32);
    }
    put(block + 208, scale);
    std::memset(block, 0, 192);
    for (std::size_t i = 0; i < kSuper; ++i) {
        const std::size_t half = i / 128, j = i % 128;
        block[half * 64 + j % 64] |= static_cast<std::byte>((codes[i] & 15) << (j / 64 * 4));
        block[128 + half * 32 + j % 32] |= static_cast<std::byte>(codes[i] >> 4 << (j / 32 * 2));
    }
}

/// Where the f16 stands that all values of a block are multiplied with.
std::size_t scale_place(DType dtype) { return dtype == DType::q6_k ? 208 : 0; }

using Quantize = void (*)(const float* x, std::byte* block);

Quantize quantizer_of(DType dtype) {
    switch (dtype) {
        case DType::q8_0:
            return q8_0;
        case DType::q4_0:
            return q4_0;
        case DType::q5_0:
            return q5_0;
        case DType::q5_1:
            return q5_1;
        case DType::q4_k:
            return q4_k;
        case DType::q5_k:
            return q5_k;
        case DType::q6_k:
            return q6_k;
        default:
            return nullptr;
    }
}

}  // namespace

bool can_quantize(DType dtype) { return quantizer_of(dtype) != nullptr; }

void quantize(DType dtype, const float* from, std::int64_t elements, std::byte* blocks) {
    const Quantize block = quantizer_of(dtype);
    VITRO_CHECK(block != nullptr, "{} has no quantizer", name(dtype));
    const DTypeInfo& type = info(dtype);
    VITRO_CHECK(elements % type.block_elements == 0, "{} elements of {}", elements, type.name);
    for (std::int64_t i = 0; i < elements; i += type.block_elements, blocks += type.block_bytes) {
        const float* const x = from + i;
        if (std::all_of(x, x + type.block_elements, [](float value) { return std::isfinite(value); })) {
            block(x, blocks);
        } else {
            std::memset(blocks, 0, static_cast<std::size_t>(type.block_bytes));
            put(blocks + scale_place(dtype), std::numeric_limits<float>::quiet_NaN());
        }
    }
}

}  // namespace vitro
