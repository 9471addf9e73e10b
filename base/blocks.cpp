// Compiled without contraction of a * b - c into one rounding (CMakeLists.txt): see dequantize.
#include "base/blocks.h"

#include "base/error.h"
#include "base/half.h"
#include "base/rounded.h"

#include <bit>
#include <cstring>

namespace vitro {
namespace {

constexpr int kSmall = 32, kSuper = 256;  // elements of the two sizes of blocks

/// The bytes of a block, read from the front.
class Bytes {
public:
    explicit Bytes(const std::uint8_t* at) : at_(at) {}

    const std::uint8_t* take(int count) {
        const std::uint8_t* const from = at_;
        at_ += count;
        return from;
    }
    std::uint16_t word() {
        const std::uint8_t* const from = take(2);
        return static_cast<std::uint16_t>(from[0] | from[1] << 8);
    }
    float half() {
        f16 value;
        value.bits = word();
        return float(value);
    }

private:
    const std::uint8_t* at_;
};

/// Number i of 32 whose lower four bits lie in 16 bytes: the lower halves of all, then the upper ones.
int nibble(const std::uint8_t* bytes, int i) { return i < 16 ? bytes[i] & 15 : bytes[i - 16] >> 4; }
int bit(const std::uint8_t* bytes, int i) { return bytes[i / 8] >> (i % 8) & 1; }

void q8_0(Bytes b, float* out) {
    const float d = b.half();
    const std::uint8_t* q = b.take(kSmall);
    for (int i = 0; i < kSmall; ++i) out[i] = d * static_cast<float>(static_cast<std::int8_t>(q[i]));
}

void q4_0(Bytes b, float* out) {
    const float d = b.half();
    const std::uint8_t* q = b.take(16);
    for (int i = 0; i < kSmall; ++i) out[i] = d * static_cast<float>(nibble(q, i) - 8);
}

void q4_1(Bytes b, float* out) {
    const float d = b.half(), m = b.half();
    const std::uint8_t* q = b.take(16);
    for (int i = 0; i < kSmall; ++i) out[i] = d * static_cast<float>(nibble(q, i)) + m;
}

void q5_0(Bytes b, float* out) {
    const float d = b.half();
    const std::uint8_t *high = b.take(4), *q = b.take(16);
    for (int i = 0; i < kSmall; ++i) out[i] = d * static_cast<float>((nibble(q, i) | bit(high, i) << 4) - 16);
}

void q5_1(Bytes b, float* out) {
    const float d = b.half(), m = b.half();
    const std::uint8_t *high = b.take(4), *q = b.take(16);
    for (int i = 0; i < kSmall; ++i) out[i] = d * static_cast<float>(nibble(q, i) | bit(high, i) << 4) + m;
}

/// Two bits of number i of 256: 128 numbers in 32 bytes, 32 of them in each pair of bits.
int pair(const std::uint8_t* bytes, int i) { return bytes[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3; }

void q2_k(Bytes b, float* out) {
    const std::uint8_t *scales = b.take(16), *q = b.take(64);
    const float d = b.half(), d_min = b.half();
    for (int i = 0; i < kSuper; ++i) {
        const std::uint8_t both = scales[i / 16];
        out[i] =
            d * static_cast<float>(both & 15) * static_cast<float>(pair(q, i)) - d_min * static_cast<float>(both >> 4);
    }
}

void q3_k(Bytes b, float* out) {
    const std::uint8_t *high = b.take(32), *q = b.take(64), *scales = b.take(12);
    const float d = b.half();
    for (int i = 0; i < kSuper; ++i) {
        const int part = i / 16;
        const int low_bits = part < 8 ? scales[part] & 15 : scales[part - 8] >> 4;
        const int scale = (low_bits | (scales[8 + part % 4] >> (part / 4 * 2) & 3) << 4) - 32;
        const int number = pair(q, i) - (high[i % 32] >> (i / 32) & 1 ? 0 : 4);
        out[i] = d * static_cast<float>(scale) * static_cast<float>(number);
    }
}

/// The six bits each of eight scales and eight minima in 12 bytes.
struct ScalesAndMinima {
    int scale[8], minimum[8];

    explicit ScalesAndMinima(const std::uint8_t* bytes) {
        for (int i = 0; i < 4; ++i) {
            scale[i] = bytes[i] & 63;
            minimum[i] = bytes[i + 4] & 63;
            scale[i + 4] = (bytes[i + 8] & 15) | bytes[i] >> 6 << 4;
            minimum[i + 4] = bytes[i + 8] >> 4 | bytes[i + 4] >> 6 << 4;
        }
    }
};

/// Four bits of number i of 256: 64 numbers in 32 bytes, the lower halves first.
int super_nibble(const std::uint8_t* bytes, int i) { return bytes[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15; }

void q4_k(Bytes b, float* out) {
    const float d = b.half(), d_min = b.half();
    const ScalesAndMinima parts(b.take(12));
    const std::uint8_t* q = b.take(128);
    for (int i = 0; i < kSuper; ++i)
        out[i] = d * static_cast<float>(parts.scale[i / 32]) * static_cast<float>(super_nibble(q, i)) -
                 d_min * static_cast<float>(parts.minimum[i / 32]);
}

void q5_k(Bytes b, float* out) {
    const float d = b.half(), d_min = b.half();
    const ScalesAndMinima parts(b.take(12));
    const std::uint8_t *high = b.take(32), *q = b.take(128);
    for (int i = 0; i < kSuper; ++i) {
        const int number = super_nibble(q, i) | (high[i % 32] >> (i / 32) & 1) << 4;
        out[i] = d * static_cast<float>(parts.scale[i / 32]) * static_cast<float>(number) -
                 d_min * static_cast<float>(parts.minimum[i / 32]);
    }
}

void q6_k(Bytes b, float* out) {
    const std::uint8_t *low = b.take(128), *high = b.take(64), *scales = b.take(16);
    const float d = b.half();
    for (int i = 0; i < kSuper; ++i) {
        const int half = i / 128, j = i % 128;
        const int low_bits = low[half * 64 + j % 64] >> (j / 64 * 4) & 15;
        const int number = (low_bits | (high[half * 32 + j % 32] >> (j / 32 * 2) & 3) << 4) - 32;
        out[i] = d * static_cast<float>(static_cast<std::int8_t>(scales[i / 16])) * static_cast<float>(number);
    }
}

/// What the four bits of iq4_nl and iq4_xs stand for: steps that are finer near zero.
constexpr float kUneven[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

void iq4_nl(Bytes b, float* out) {
    const float d = b.half();
    const std::uint8_t* q = b.take(16);
    for (int i = 0; i < kSmall; ++i) out[i] = d * kUneven[nibble(q, i)];
}

void iq4_xs(Bytes b, float* out) {
    const float d = b.half();
    const int high = b.word();
    const std::uint8_t *low = b.take(4), *q = b.take(128);
    for (int part = 0; part < 8; ++part) {
        const int scale = ((low[part / 2] >> (part % 2 * 4) & 15) | (high >> (2 * part) & 3) << 4) - 32;
        for (int i = 0; i < kSmall; ++i)
            out[part * kSmall + i] = d * static_cast<float>(scale) * kUneven[nibble(q + part * 16, i)];
    }
}

/// Half of a power of two with the exponent of OCP's E8M0, 2^(code - 128): mxfp4's numbers are doubled.
float half_power(std::uint8_t code) {
    return std::bit_cast<float>(code < 2 ? std::uint32_t{0x200000} << code : std::uint32_t(code - 1) << 23);
}

/// OCP's E2M1, doubled.
constexpr float kDoubledE2M1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

void mxfp4(Bytes b, float* out) {
    const float d = half_power(*b.take(1));
    const std::uint8_t* q = b.take(16);
    for (int i = 0; i < kSmall; ++i) out[i] = d * kDoubledE2M1[nibble(q, i)];
}

void q8_32(Bytes b, float* out) {
    Rounded32 block;
    std::memcpy(&block, b.take(sizeof block), sizeof block);
    for (std::int8_t number : block.numbers) *out++ = block.scale * static_cast<float>(number);
}

using Dequantize = void (*)(Bytes block, float* out);

Dequantize dequantize_of(DType dtype) {
    switch (dtype) {
        case DType::q8_0:
            return q8_0;
        case DType::q4_0:
            return q4_0;
        case DType::q4_1:
            return q4_1;
        case DType::q5_0:
            return q5_0;
        case DType::q5_1:
            return q5_1;
        case DType::q2_k:
            return q2_k;
        case DType::q3_k:
            return q3_k;
        case DType::q4_k:
            return q4_k;
        case DType::q5_k:
            return q5_k;
        case DType::q6_k:
            return q6_k;
        case DType::iq4_nl:
            return iq4_nl;
        case DType::iq4_xs:
            return iq4_xs;
        case DType::mxfp4:
            return mxfp4;
        case DType::q8_32:
            return q8_32;
        default:
            return nullptr;
    }
}

}  // namespace

void dequantize(DType dtype, const std::byte* blocks, std::int64_t elements, float* out) {
    const Dequantize block = dequantize_of(dtype);
    VITRO_CHECK(block != nullptr, "{} has no blocks along a row", name(dtype));
    const DTypeInfo& type = info(dtype);
    VITRO_CHECK(elements % type.block_elements == 0, "{} elements of {}", elements, type.name);
    const auto* from = reinterpret_cast<const std::uint8_t*>(blocks);
    for (std::int64_t i = 0; i < elements; i += type.block_elements, from += type.block_bytes)
        block(Bytes(from), out + i);
}

}  // namespace vitro
