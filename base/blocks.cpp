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
    /// Exact, also for denormals, infinities and NaN. The compiler's own way calls its library, which takes as long as
    /// a whole block.
    float half() {
        const std::uint32_t bits = word(), magnitude = (bits & 0x7fff) << 13, sign = (bits & 0x8000) << 16;
        if (magnitude >= 0x1fu << 23) return std::bit_cast<float>(sign | magnitude | 0xffu << 23);
        return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f));
    }

private:
    const std::uint8_t* at_;
};

/// A block's numbers, from as many of its bytes as they fill: the lowest bits of `run` bytes are the first `run` of
/// them, the next bits the next `run`; then the next bytes. Loops over whole runs, so that they become vectors.
template <int elements>
struct Numbers {
    std::uint8_t code[elements];

    template <int bits, int run>
    static Numbers take(Bytes& b) {
        Numbers numbers;
        std::uint8_t* to = numbers.code;
        for (int at = 0; at < elements; at += run * 8 / bits) {
            const std::uint8_t* const from = b.take(run);
            for (int shift = 0; shift < 8; shift += bits, to += run)
                for (int i = 0; i < run; ++i) to[i] = static_cast<std::uint8_t>(from[i] >> shift & ((1 << bits) - 1));
        }
        return numbers;
    }

    /// With the bits that stand above the `bits` that are there.
    Numbers below(const Numbers& high, int bits) const {
        Numbers both;
        for (int i = 0; i < elements; ++i) both.code[i] = static_cast<std::uint8_t>(code[i] | high.code[i] << bits);
        return both;
    }
};
using Small = Numbers<kSmall>;
using Super = Numbers<kSuper>;

/// out = numbers, less `zero`, times d.
template <int elements>
void scaled(const std::uint8_t* code, int zero, float d, float* out) {
    for (int i = 0; i < elements; ++i) out[i] = d * static_cast<float>(code[i] - zero);
}

void q8_0(Bytes b, float* out) {
    const float d = b.half();
    const std::uint8_t* q = b.take(kSmall);
    for (int i = 0; i < kSmall; ++i) out[i] = d * static_cast<float>(static_cast<std::int8_t>(q[i]));
}

void q4_0(Bytes b, float* out) {
    const float d = b.half();
    scaled<kSmall>(Small::take<4, 16>(b).code, 8, d, out);
}

void q4_1(Bytes b, float* out) {
    const float d = b.half(), m = b.half();
    const auto numbers = Small::take<4, 16>(b);
    for (int i = 0; i < kSmall; ++i) out[i] = d * static_cast<float>(numbers.code[i]) + m;
}

void q5_0(Bytes b, float* out) {
    const float d = b.half();
    const auto high = Small::take<1, 1>(b);
    scaled<kSmall>(Small::take<4, 16>(b).below(high, 4).code, 16, d, out);
}

void q5_1(Bytes b, float* out) {
    const float d = b.half(), m = b.half();
    const auto high = Small::take<1, 1>(b);
    const auto numbers = Small::take<4, 16>(b).below(high, 4);
    for (int i = 0; i < kSmall; ++i) out[i] = d * static_cast<float>(numbers.code[i]) + m;
}

void q2_k(Bytes b, float* out) {
    constexpr int kPart = 16;
    const std::uint8_t* scales = b.take(kSuper / kPart);
    const auto numbers = Super::take<2, 32>(b);
    const float d = b.half(), d_min = b.half();
    for (int part = 0; part < kSuper; part += kPart) {
        const std::uint8_t both = *scales++;
        const float scale = d * static_cast<float>(both & 15), minimum = d_min * static_cast<float>(both >> 4);
        for (int i = part; i < part + kPart; ++i) out[i] = scale * static_cast<float>(numbers.code[i]) - minimum;
    }
}

void q3_k(Bytes b, float* out) {
    constexpr int kPart = 16;
    const auto high = Super::take<1, 32>(b);
    const auto numbers = Super::take<2, 32>(b).below(high, 2);
    const std::uint8_t* scales = b.take(12);
    const float d = b.half();
    for (int part = 0; part < kSuper / kPart; ++part) {
        const int low_bits = part < 8 ? scales[part] & 15 : scales[part - 8] >> 4;
        const int scale = (low_bits | (scales[8 + part % 4] >> (part / 4 * 2) & 3) << 4) - 32;
        scaled<kPart>(numbers.code + part * kPart, 4, d * static_cast<float>(scale), out + part * kPart);
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

/// out = numbers of 256 in eight parts, each with its scale and its minimum.
void eight_parts(const ScalesAndMinima& parts, float d, float d_min, const Super& numbers, float* out) {
    for (int part = 0; part < 8; ++part) {
        const float scale = d * static_cast<float>(parts.scale[part]);
        const float minimum = d_min * static_cast<float>(parts.minimum[part]);
        for (int i = part * kSmall; i < (part + 1) * kSmall; ++i)
            out[i] = scale * static_cast<float>(numbers.code[i]) - minimum;
    }
}

void q4_k(Bytes b, float* out) {
    const float d = b.half(), d_min = b.half();
    const ScalesAndMinima parts(b.take(12));
    eight_parts(parts, d, d_min, Super::take<4, 32>(b), out);
}

void q5_k(Bytes b, float* out) {
    const float d = b.half(), d_min = b.half();
    const ScalesAndMinima parts(b.take(12));
    const auto high = Super::take<1, 32>(b);
    eight_parts(parts, d, d_min, Super::take<4, 32>(b).below(high, 4), out);
}

void q6_k(Bytes b, float* out) {
    constexpr int kPart = 16;
    const auto low = Super::take<4, 64>(b);
    const auto numbers = low.below(Super::take<2, 32>(b), 4);
    const std::uint8_t* scales = b.take(kSuper / kPart);
    const float d = b.half();
    for (int part = 0; part < kSuper; part += kPart) {
        const float scale = d * static_cast<float>(static_cast<std::int8_t>(*scales++));
        scaled<kPart>(numbers.code + part, 32, scale, out + part);
    }
}

/// What the four bits of iq4_nl and iq4_xs stand for: steps that are finer near zero.
constexpr float kUneven[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// out = d times what the codes of 32 numbers of four bits stand for.
void looked_up(Bytes& b, const float (&table)[16], float d, float* out) {
    const auto numbers = Small::take<4, 16>(b);
    for (int i = 0; i < kSmall; ++i) out[i] = d * table[numbers.code[i]];
}

void iq4_nl(Bytes b, float* out) {
    const float d = b.half();
    looked_up(b, kUneven, d, out);
}

void iq4_xs(Bytes b, float* out) {
    const float d = b.half();
    const int high = b.word();
    const std::uint8_t* low = b.take(4);
    for (int part = 0; part < 8; ++part) {
        const int scale = ((low[part / 2] >> (part % 2 * 4) & 15) | (high >> (2 * part) & 3) << 4) - 32;
        looked_up(b, kUneven, d * static_cast<float>(scale), out + part * kSmall);
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
    looked_up(b, kDoubledE2M1, d, out);
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
