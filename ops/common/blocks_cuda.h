// Block-quantized weights on the device, in a file's order (base/blocks.h) and packed (base/packed.h). What the bytes
// of each type mean is said in base/blocks.cpp; here a thread gets four numbers of a row at once, and what they stand
// for.
#pragma once

#include "base/packed.h"
#include "ops/common/elements_cuda.h"

#include <type_traits>

namespace vitro::VITRO_DEVICE {

/// element = scale * (code - centre) + offset, where scale and offset are those of 32 columns, a group, or of its half.
struct BlockCode {
    int centre = 0;
    bool by_halves = false, has_offset = false;
};
constexpr BlockCode block_code(DType blocks) {
    switch (blocks) {
        case DType::q8_0:
            return {128};  // their sign bits are turned
        case DType::q4_0:
            return {8};
        case DType::q2_k:
            return {0, true, true};
        case DType::q3_k:
            return {4, true};
        case DType::q6_k:
            return {32, true};
        default:
            return {0, false, true};
    }
}

inline constexpr int kGroupColumns = 32, kHalfColumns = 16;

/// Calls body(std::integral_constant<DType, type>) for the unpacked type of `dtype`, packed or not. False for types
/// that no kernel reads: their numbers lie otherwise, or are looked up in a table.
template <class Body>
bool with_blocks(DType dtype, Body&& body) {
    const auto is_one_of = [&]<DType... kTypes>(std::integer_sequence<DType, kTypes...>) {
        return ((unpacked(dtype) == kTypes && (body(std::integral_constant<DType, kTypes>{}), true)) || ...);
    };
    return is_one_of(std::integer_sequence<DType, DType::q8_0, DType::q4_0, DType::q4_1, DType::q2_k, DType::q3_k,
                                           DType::q4_k, DType::q5_k, DType::q6_k>{});
}
inline bool reads_blocks(DType dtype) {
    return with_blocks(dtype, [](auto) {});
}

/// Why a kernel does not read blocks of this type, or empty.
inline std::string refuse_type_of_blocks(DType dtype) {
    return reads_blocks(dtype) ? std::string{} : fmt::format("it does not read blocks of {}", name(dtype));
}

/// A block in a file's order.
template <DType kBlocks>
struct BlockInRow {
    static constexpr PackedLayout kLayout = packed_layout(kBlocks);
    const std::uint8_t* block;

    __device__ float half(int i) const {
        constexpr int kFirst = kLayout.halves[0], kSecond = kLayout.halves[1];
        const std::uint8_t* const from = block + (i == 0 ? kFirst : kSecond);
        return to_float(__ushort_as_half(*reinterpret_cast<const unsigned short*>(from)));
    }
    __device__ int byte(int i) const { return block[kLayout.bytes + i]; }
    /// Four bytes of a plane.
    __device__ unsigned low(int at) const { return word(kLayout.low.from + at); }
    __device__ unsigned high(int at) const { return word(kLayout.high.from + at); }

private:
    __device__ unsigned word(int at) const {
        return block[at] | unsigned(block[at + 1]) << 8 | unsigned(block[at + 2]) << 16 | unsigned(block[at + 3]) << 24;
    }
};

/// A row of a packed block.
template <DType kBlocks>
struct PackedRow {
    static constexpr PackedLayout kLayout = packed_layout(kBlocks);
    const std::uint8_t* block;
    int row;

    __device__ float half(int i) const {
        const auto* halves = reinterpret_cast<const unsigned short*>(block + kLayout.halves_at());
        return to_float(__ushort_as_half(halves[i * kPackedRows + row]));
    }
    __device__ int byte(int i) const { return block[kLayout.bytes_at() + i * kPackedRows + row]; }
    __device__ unsigned low(int at) const { return word(block, at); }
    __device__ unsigned high(int at) const { return word(block + kLayout.high_at(), at); }

private:
    __device__ unsigned word(const std::uint8_t* plane, int at) const {
        return *reinterpret_cast<const unsigned*>(plane + at * kPackedRows + 4 * row);
    }
};

/// The scale of half `h` of group g, of a row that has half(i) and byte(i): the scales of 16 bits, and those of fewer.
template <DType kBlocks, class Row>
__device__ float block_scale(const Row& row, int g, int h) {
    if constexpr (kBlocks == DType::q2_k) {
        return row.half(0) * float(row.byte(2 * g + h) & 15);
    } else if constexpr (kBlocks == DType::q3_k) {
        const int part = 2 * g + h;
        const int low = part < 8 ? row.byte(part) & 15 : row.byte(part - 8) >> 4;
        const int high = row.byte(8 + part % 4) >> (part / 4 * 2) & 3;
        return row.half(0) * float((low | high << 4) - 32);
    } else if constexpr (kBlocks == DType::q4_k || kBlocks == DType::q5_k) {
        return row.half(0) * float(g < 4 ? row.byte(g) & 63 : (row.byte(g + 4) & 15) | row.byte(g - 4) >> 6 << 4);
    } else if constexpr (kBlocks == DType::q6_k) {
        return row.half(0) * float(static_cast<signed char>(row.byte(2 * g + h)));
    } else {
        return row.half(0);
    }
}

/// Its offset, of types that have one.
template <DType kBlocks, class Row>
__device__ float block_offset(const Row& row, int g, int h) {
    if constexpr (kBlocks == DType::q2_k)
        return -(row.half(1) * float(row.byte(2 * g + h) >> 4));
    else if constexpr (kBlocks == DType::q4_k || kBlocks == DType::q5_k)
        return -(row.half(1) * float(g < 4 ? row.byte(g + 4) & 63 : row.byte(g + 4) >> 4 | row.byte(g) >> 6 << 4));
    else
        return row.half(1);
}

/// Columns i to i + 3 of a block, a byte each, from the four bytes of each plane that hold them; i is a multiple of 4.
template <DType kBlocks>
__device__ __forceinline__ unsigned block_codes(unsigned low, unsigned high, int i) {
    constexpr PackedLayout kLayout = packed_layout(kBlocks);
    constexpr unsigned kEach = 0x01010101u;
    unsigned codes = low >> kLayout.low.shift(i) & ((1u << kLayout.low.bits) - 1) * kEach;
    if constexpr (kLayout.high.bits != 0)
        codes |= (high >> kLayout.high.shift(i) & ((1u << kLayout.high.bits) - 1) * kEach) << kLayout.low.bits;
    return kBlocks == DType::q8_0 ? codes ^ 0x80 * kEach : codes;
}

/// The values of columns i to i + 7 of a row of a block; i is a multiple of 8.
template <DType kBlocks, class Row>
__device__ Floats<kWide> block_values(const Row& row, int i) {
    constexpr PackedLayout kLayout = packed_layout(kBlocks);
    constexpr BlockCode kCode = block_code(kBlocks);
    const int g = i / kGroupColumns, h = i % kGroupColumns / kHalfColumns;
    const float scale = block_scale<kBlocks>(row, g, h);
    float offset = 0;
    if constexpr (kCode.has_offset) offset = block_offset<kBlocks>(row, g, h);
    Floats<kWide> out;
    for (int quad = 0; quad < kWide; quad += 4) {
        unsigned high = 0;
        if constexpr (kLayout.high.bits != 0) high = row.high(kLayout.high.byte(i + quad));
        const unsigned codes = block_codes<kBlocks>(row.low(kLayout.low.byte(i + quad)), high, i + quad);
        for (int e = 0; e < 4; ++e)
            out.at[quad + e] = scale * float(int(codes >> (8 * e) & 0xff) - kCode.centre) + offset;
    }
    return out;
}

/// out [rows, columns] = the values of a matrix of blocks, rounded; packed or not, of a type that reads_blocks().
void launch_dequantize(const Elements& blocks, const Elements& out, int rows, int columns, LaunchStream stream);

}  // namespace vitro::VITRO_DEVICE
