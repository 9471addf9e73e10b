#include "base/packed.h"

#include "base/random.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

namespace vitro::test {
namespace {

TEST_CASE("every packed type has the bytes of 16 rows of blocks, and packing is undone by unpacking") {
    Random random(1);
    int types = 0;
    for (const DTypeInfo& type : kDTypes) {
        if (type.storage != Storage::packed) continue;
        CAPTURE(type.name);
        ++types;
        const DTypeInfo& blocks = info(unpacked(type.dtype));
        CHECK(packed(blocks.dtype) == type.dtype);
        CHECK(type.block_bytes == kPackedRows * blocks.block_bytes);
        CHECK(type.block_elements == kPackedRows * blocks.block_elements);
        const std::int64_t columns = 3 * blocks.block_elements, row_bytes = bytes_of(blocks.dtype, columns);
        std::vector<std::byte> rows(std::size_t(kPackedRows * row_bytes)), group(rows.size()), back(rows.size());
        for (std::byte& byte : rows) byte = static_cast<std::byte>(random.integer(0, 255));
        pack_group(type.dtype, rows.data(), row_bytes, columns, group.data());
        CHECK(group != rows);
        unpack_group(type.dtype, group.data(), columns, back.data());
        CHECK(back == rows);
    }
    CHECK(types == 13);
}

TEST_CASE("rows that lie apart are packed like rows on end") {
    const std::int64_t row_bytes = bytes_of(DType::q4_0, 64);
    Random random(2);
    std::vector<std::byte> rows(std::size_t(kPackedRows * row_bytes)), apart(2 * rows.size()), a(rows.size()),
        b(rows.size());
    for (std::byte& byte : rows) byte = static_cast<std::byte>(random.integer(0, 255));
    for (std::int64_t r = 0; r < kPackedRows; ++r)
        std::copy_n(rows.begin() + r * row_bytes, row_bytes, apart.begin() + 2 * r * row_bytes);
    pack_group(DType::q4_0_r16, rows.data(), row_bytes, 64, a.data());
    pack_group(DType::q4_0_r16, apart.data(), 2 * row_bytes, 64, b.data());
    CHECK(a == b);
}

TEST_CASE("a packed block of q8_0: four numbers of each row, then the next four, the scales at the end") {
    const DTypeInfo& type = info(DType::q8_0);
    std::vector<std::byte> rows(std::size_t(kPackedRows * type.block_bytes)), group(rows.size());
    for (int r = 0; r < kPackedRows; ++r) {
        rows[std::size_t(r * type.block_bytes)] = std::byte(200 + r);  // the lower byte of the scale
        for (int i = 0; i < 32; ++i) rows[std::size_t(r * type.block_bytes + 2 + i)] = std::byte((7 * r + i) % 256);
    }
    pack_group(DType::q8_0_r16, rows.data(), type.block_bytes, 32, group.data());
    for (int r = 0; r < kPackedRows; ++r) {
        CHECK(group[std::size_t(512 + 2 * r)] == std::byte(200 + r));
        for (int i = 0; i < 32; ++i)
            CHECK(group[std::size_t(i / 4 * 64 + 4 * r + i % 4)] == std::byte((7 * r + i) % 256));
    }
}

}  // namespace
}  // namespace vitro::test
