// Element types. Every type is a block of `block_elements` stored in `block_bytes`: the plain ones have blocks of one,
// what is in the blocks of the others base/blocks.h, base/packed.h and base/rounded.h say.
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
    q8_0_r16,
    q4_0_r16,
    q4_1_r16,
    q5_0_r16,
    q5_1_r16,
    q2_k_r16,
    q3_k_r16,
    q4_k_r16,
    q5_k_r16,
    q6_k_r16,
    iq4_nl_r16,
    iq4_xs_r16,
    mxfp4_r16,
    q8_32,
};

/// Who has a type, and what a block of it is.
enum class Storage : std::uint8_t {
    plain,    // one element
    blocks,   // of weights, as files have them: neighbours in a row (base/blocks.h)
    packed,   // of weights, as a kernel wants them: neighbours in several rows (base/packed.h)
    rounded,  // of activations: neighbours in a row (base/rounded.h)
};

struct DTypeInfo {
    DType dtype;
    std::string_view name;
    std::int64_t block_elements;
    std::int64_t block_bytes;
    bool is_float;  // every op computes with it
    Storage storage = Storage::plain;
    std::int64_t block_rows = 1;   // of a matrix that a block holds, block_elements / block_rows of each
    std::optional<DType> packs{};  // of a packed type: what its blocks are made of
};

inline constexpr std::array<DTypeInfo, 32> kDTypes{{
    {DType::f32, "f32", 1, 4, true},
    {DType::f16, "f16", 1, 2, true},
    {DType::bf16, "bf16", 1, 2, true},
    {DType::i32, "i32", 1, 4, false},
    {DType::f8e4m3, "f8e4m3", 1, 1, false},
    {DType::q8_0, "q8_0", 32, 34, false, Storage::blocks},
    {DType::q4_0, "q4_0", 32, 18, false, Storage::blocks},
    {DType::q4_1, "q4_1", 32, 20, false, Storage::blocks},
    {DType::q5_0, "q5_0", 32, 22, false, Storage::blocks},
    {DType::q5_1, "q5_1", 32, 24, false, Storage::blocks},
    {DType::q2_k, "q2_k", 256, 84, false, Storage::blocks},
    {DType::q3_k, "q3_k", 256, 110, false, Storage::blocks},
    {DType::q4_k, "q4_k", 256, 144, false, Storage::blocks},
    {DType::q5_k, "q5_k", 256, 176, false, Storage::blocks},
    {DType::q6_k, "q6_k", 256, 210, false, Storage::blocks},
    {DType::iq4_nl, "iq4_nl", 32, 18, false, Storage::blocks},
    {DType::iq4_xs, "iq4_xs", 256, 136, false, Storage::blocks},
    {DType::mxfp4, "mxfp4", 32, 17, false, Storage::blocks},
    {DType::q8_0_r16, "q8_0_r16", 512, 544, false, Storage::packed, 16, DType::q8_0},
    {DType::q4_0_r16, "q4_0_r16", 512, 288, false, Storage::packed, 16, DType::q4_0},
    {DType::q4_1_r16, "q4_1_r16", 512, 320, false, Storage::packed, 16, DType::q4_1},
    {DType::q5_0_r16, "q5_0_r16", 512, 352, false, Storage::packed, 16, DType::q5_0},
    {DType::q5_1_r16, "q5_1_r16", 512, 384, false, Storage::packed, 16, DType::q5_1},
    {DType::q2_k_r16, "q2_k_r16", 4096, 1344, false, Storage::packed, 16, DType::q2_k},
    {DType::q3_k_r16, "q3_k_r16", 4096, 1760, false, Storage::packed, 16, DType::q3_k},
    {DType::q4_k_r16, "q4_k_r16", 4096, 2304, false, Storage::packed, 16, DType::q4_k},
    {DType::q5_k_r16, "q5_k_r16", 4096, 2816, false, Storage::packed, 16, DType::q5_k},
    {DType::q6_k_r16, "q6_k_r16", 4096, 3360, false, Storage::packed, 16, DType::q6_k},
    {DType::iq4_nl_r16, "iq4_nl_r16", 512, 288, false, Storage::packed, 16, DType::iq4_nl},
    {DType::iq4_xs_r16, "iq4_xs_r16", 4096, 2176, false, Storage::packed, 16, DType::iq4_xs},
    {DType::mxfp4_r16, "mxfp4_r16", 512, 272, false, Storage::packed, 16, DType::mxfp4},
    {DType::q8_32, "q8_32", 32, 40, false, Storage::rounded},
}};

constexpr const DTypeInfo& info(DType dtype) { return kDTypes[static_cast<std::size_t>(dtype)]; }
constexpr std::string_view name(DType dtype) { return info(dtype).name; }
constexpr bool is_float(DType dtype) { return info(dtype).is_float; }
/// Also what only weights and caches may be kept in.
constexpr bool is_stored_float(DType dtype) { return is_float(dtype) || dtype == DType::f8e4m3; }

/// Blocks of weights as files have them, along each row.
constexpr bool is_block_quantized(DType dtype) { return info(dtype).storage == Storage::blocks; }
constexpr bool is_packed(DType dtype) { return info(dtype).storage == Storage::packed; }
constexpr bool is_rounded(DType dtype) { return info(dtype).storage == Storage::rounded; }
/// Elements of one row that a block holds.
constexpr std::int64_t block_columns(DType dtype) { return info(dtype).block_elements / info(dtype).block_rows; }

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
