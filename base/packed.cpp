#include "base/packed.h"

#include "base/blocks.h"
#include "base/error.h"

#include <cstring>
#include <vector>

namespace vitro {
namespace {

/// The fifth bits of q5_0 and q5_1: bit i of 32 goes to bit i / 4 of byte i % 4, so that a plane of runs of four has
/// them where the kernels look.
std::uint32_t spread_bits(std::uint32_t bits) {
    std::uint32_t out = 0;
    for (int i = 0; i < 32; ++i) out |= (bits >> i & 1) << (i % 4 * 8 + i / 4);
    return out;
}
std::uint32_t gather_bits(std::uint32_t bits) {
    std::uint32_t out = 0;
    for (int i = 0; i < 32; ++i) out |= (bits >> (i % 4 * 8 + i / 4) & 1) << i;
    return out;
}
using Convert = std::uint32_t (*)(std::uint32_t);

/// Calls each(place in a block, place of row 0 in a packed one, bytes of an item, words to convert or null) for all
/// items of a block; row r of it stands r times its size further on.
template <class Each>
void each_item(DType blocks, Convert convert, Each&& each) {
    const PackedLayout layout = packed_layout(blocks);
    int at = 0;
    const auto items = [&](int from, int count, int size, Convert with) {
        for (int i = 0; i < count; ++i, at += kPackedRows * size) each(from + i * size, at, size, with);
    };
    items(layout.low.from, layout.plane_words(layout.low), 4, nullptr);
    const bool small = layout.high.bits == 1 && layout.elements == 32;
    items(layout.high.from, layout.plane_words(layout.high), 4, small ? convert : nullptr);
    for (int i = 0; i < layout.n_halves; ++i) items(layout.halves[i], 1, 2, nullptr);
    items(layout.bytes, layout.n_bytes, 1, nullptr);
    VITRO_CHECK(at == kPackedRows * info(blocks).block_bytes, "the layout of {} has {} bytes", name(blocks), at);
}

/// Copies 16 items of `size` bytes, `from_step` and `to_step` bytes apart.
template <int size>
void copy_items(const std::byte* from, std::int64_t from_step, std::byte* to, std::int64_t to_step) {
    for (int row = 0; row < kPackedRows; ++row) std::memcpy(to + row * to_step, from + row * from_step, size);
}
void copy_words(const std::byte* from, std::int64_t from_step, std::byte* to, std::int64_t to_step, Convert convert) {
    for (int row = 0; row < kPackedRows; ++row) {
        std::uint32_t word;
        std::memcpy(&word, from + row * from_step, sizeof word);
        word = convert(word);
        std::memcpy(to + row * to_step, &word, sizeof word);
    }
}
void copy(const std::byte* from, std::int64_t from_step, std::byte* to, std::int64_t to_step, int size,
          Convert convert) {
    if (convert != nullptr) return copy_words(from, from_step, to, to_step, convert);
    if (size == 4) return copy_items<4>(from, from_step, to, to_step);
    if (size == 2) return copy_items<2>(from, from_step, to, to_step);
    copy_items<1>(from, from_step, to, to_step);
}

}  // namespace

void pack_group(DType packed, const std::byte* rows, std::int64_t row_bytes, std::int64_t columns, std::byte* out) {
    const DTypeInfo& type = info(unpacked(packed));
    for (std::int64_t i = 0; i < columns; i += type.block_elements) {
        each_item(type.dtype, spread_bits, [&](int from, int to, int size, Convert convert) {
            copy(rows + from, row_bytes, out + to, size, size, convert);
        });
        rows += type.block_bytes;
        out += info(packed).block_bytes;
    }
}

void unpack_group(DType packed, const std::byte* group, std::int64_t columns, std::byte* rows) {
    const DTypeInfo& type = info(unpacked(packed));
    const std::int64_t row_bytes = bytes_of(type.dtype, columns);
    for (std::int64_t i = 0; i < columns; i += type.block_elements) {
        each_item(type.dtype, gather_bits, [&](int to, int from, int size, Convert convert) {
            copy(group + from, size, rows + to, row_bytes, size, convert);
        });
        rows += type.block_bytes;
        group += info(packed).block_bytes;
    }
}

void dequantize_matrix(DType dtype, const std::byte* matrix, std::int64_t rows, std::int64_t columns, float* out) {
    if (!is_packed(dtype)) return dequantize(dtype, matrix, rows * columns, out);
    const std::int64_t elements = kPackedRows * columns;
    std::vector<std::byte> group(static_cast<std::size_t>(bytes_of(unpacked(dtype), elements)));
    for (std::int64_t at = 0; at < rows * columns; at += elements) {
        unpack_group(dtype, matrix + bytes_of(dtype, at), columns, group.data());
        dequantize(unpacked(dtype), group.data(), elements, out + at);
    }
}

}  // namespace vitro
