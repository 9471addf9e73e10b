// Packed weights: 16 rows of a block-quantized matrix interleaved, so that a vector holds the same numbers of 16 rows.
// A packed block is 16 rows of one block of the unpacked type, transposed: what a block has of words of numbers, of
// 16-bit scales and of bytes stands row by row, 16 times the same one after the other. It has as many bytes as before.
// Packed [N, K]: groups of 16 rows one behind the other, within a group the packed blocks along K.
#pragma once

#include "base/dtype.h"

#include <cstddef>
#include <cstdint>

namespace vitro {

inline constexpr int kPackedRows = 16;

/// Numbers of `bits` bits each, in a block: the first `run` of them in the lowest bits of `run` bytes, the next `run`
/// above these, until the bytes are full; then the next bytes.
struct CodePlane {
    int from;  // of the first byte in the unpacked block
    int bits;  // 0: there is no such plane
    int run;

    /// Numbers that share bytes.
    constexpr int period() const { return run * 8 / bits; }
    /// Of number i: its byte, counted from the first one, and how far left it stands in it.
    constexpr int byte(int i) const { return i / period() * run + i % run; }
    constexpr int shift(int i) const { return i % period() / run * bits; }
};

/// What stands in a block, and where in a packed one: the words of the planes first, then the halves, then the bytes.
struct PackedLayout {
    CodePlane low, high;      // the lower bits of all numbers, and the upper ones
    int halves[2], n_halves;  // 16-bit scales: their places in the unpacked block
    int bytes, n_bytes;       // scales of up to 8 bits
    int elements;             // of a block

    constexpr int plane_words(const CodePlane& plane) const { return elements * plane.bits / 32; }
    /// Offsets in a packed block.
    constexpr int high_at() const { return kPackedRows * 4 * plane_words(low); }
    constexpr int halves_at() const { return high_at() + kPackedRows * 4 * plane_words(high); }
    constexpr int bytes_at() const { return halves_at() + kPackedRows * 2 * n_halves; }
};

/// The layout of 16 rows of blocks of an unpacked type.
constexpr PackedLayout packed_layout(DType blocks) {
    constexpr int kSmall = 32, kSuper = 256;
    switch (blocks) {
        case DType::q8_0:
            return {{2, 8, 32}, {}, {0}, 1, 0, 0, kSmall};
        case DType::q4_0:
        case DType::iq4_nl:
            return {{2, 4, 16}, {}, {0}, 1, 0, 0, kSmall};
        case DType::q4_1:
            return {{4, 4, 16}, {}, {0, 2}, 2, 0, 0, kSmall};
        case DType::q5_0:  // a number's fifth bit stands in bit i of a word of its own; packed, as in packed.cpp
            return {{6, 4, 16}, {2, 1, 4}, {0}, 1, 0, 0, kSmall};
        case DType::q5_1:
            return {{8, 4, 16}, {4, 1, 4}, {0, 2}, 2, 0, 0, kSmall};
        case DType::q2_k:
            return {{16, 2, 32}, {}, {80, 82}, 2, 0, 16, kSuper};
        case DType::q3_k:
            return {{32, 2, 32}, {0, 1, 32}, {108}, 1, 96, 12, kSuper};
        case DType::q4_k:
            return {{16, 4, 32}, {}, {0, 2}, 2, 4, 12, kSuper};
        case DType::q5_k:
            return {{48, 4, 32}, {16, 1, 32}, {0, 2}, 2, 4, 12, kSuper};
        case DType::q6_k:
            return {{0, 4, 64}, {128, 2, 32}, {208}, 1, 192, 16, kSuper};
        case DType::iq4_xs:
            return {{8, 4, 16}, {}, {0, 2}, 2, 4, 4, kSuper};
        case DType::mxfp4:
            return {{1, 4, 16}, {}, {}, 0, 0, 1, kSmall};
        default:
            return {};
    }
}

/// The packed type of a block-quantized type, and back.
constexpr DType packed(DType blocks) {
    for (const DTypeInfo& row : kDTypes)
        if (row.packs == blocks) return row.dtype;
    return blocks;
}
constexpr DType unpacked(DType packed) { return info(packed).packs.value_or(packed); }

/// out = one group of packed blocks: 16 rows of `columns` elements, whole blocks of the unpacked type, which lie one
/// behind the other from `rows` on, `row_bytes` apart.
void pack_group(DType packed, const std::byte* rows, std::int64_t row_bytes, std::int64_t columns, std::byte* out);

/// The inverse: 16 rows, one behind the other.
void unpack_group(DType packed, const std::byte* group, std::int64_t columns, std::byte* rows);

/// out [rows, columns] = the values of a matrix of a block-quantized, packed or rounded type.
void dequantize_matrix(DType dtype, const std::byte* matrix, std::int64_t rows, std::int64_t columns, float* out);

}  // namespace vitro
