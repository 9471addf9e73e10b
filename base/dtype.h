// Element types. Every type is a block of `block_elements` stored in `block_bytes`: the plain ones have blocks of one,
// what is in the blocks of the others base/blocks.h says.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace vitro {

enum class DType : std::uint8_t {
    f32,
    f16,
    bf16,
    i32,
    f8e4m3,
    q8_0,
    q4_0,
    q4_1,
    q5_0,
    q5_1,
    q2_k,
    q3_k,
    q4_k,
    q5_k,
    q6_k,
    iq4_nl,
    iq4_xs,
    mxfp4,
};

struct DTypeInfo {
    DType dtype;
    std::string_view name;
    std::int64_t block_elements;
    std::int64_t block_bytes;
    bool is_float;  // every op computes with it
};

inline constexpr std::array<DTypeInfo, 18> kDTypes{{
    {DType::f32, "f32", 1, 4, true},
    {DType::f16, "f16", 1, 2, true},
    {DType::bf16, "bf16", 1, 2, true},
    {DType::i32, "i32", 1, 4, false},
    {DType::f8e4m3, "f8e4m3", 1, 1, false},
    {DType::q8_0, "q8_0", 32, 34, false},
    {DType::q4_0, "q4_0", 32, 18, false},
    {DType::q4_1, "q4_1", 32, 20, false},
    {DType::q5_0, "q5_0", 32, 22, false},
    {DType::q5_1, "q5_1", 32, 24, false},
    {DType::q2_k, "q2_k", 256, 84, false},
    {DType::q3_k, "q3_k", 256, 110, false},
    {DType::q4_k, "q4_k", 256, 144, false},
    {DType::q5_k, "q5_k", 256, 176, false},
    {DType::q6_k, "q6_k", 256, 210, false},
    {DType::iq4_nl, "iq4_nl", 32, 18, false},
    {DType::iq4_xs, "iq4_xs", 256, 136, false},
    {DType::mxfp4, "mxfp4", 32, 17, false},
}};

constexpr const DTypeInfo& info(DType dtype) { return kDTypes[static_cast<std::size_t>(dtype)]; }
constexpr std::string_view name(DType dtype) { return info(dtype).name; }
constexpr bool is_float(DType dtype) { return info(dtype).is_float; }
/// Also what only weights and caches may be kept in.
constexpr bool is_stored_float(DType dtype) { return is_float(dtype) || dtype == DType::f8e4m3; }

/// The type spelled `name` in text and dumps ("bf16"), if there is one.
constexpr std::optional<DType> dtype_named(std::string_view name) {
    for (const DTypeInfo& row : kDTypes)
        if (row.name == name) return row.dtype;
    return std::nullopt;
}

/// Bytes of `elements` values, a whole number of blocks. The caller has checked that the product fits.
constexpr std::int64_t bytes_of(DType dtype, std::int64_t elements) {
    return elements / info(dtype).block_elements * info(dtype).block_bytes;
}

}  // namespace vitro
