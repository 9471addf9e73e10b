#include "base/blocks.h"

#include "base/half.h"
#include "tests/paths.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <bit>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

namespace vitro::test {
namespace {

using Json = nlohmann::json;

std::vector<std::byte> from_hex(const std::string& text) {
    std::vector<std::byte> out;
    for (std::size_t i = 0; i + 2 <= text.size(); i += 2)
        out.push_back(static_cast<std::byte>(std::stoi(text.substr(i, 2), nullptr, 16)));
    return out;
}

TEST_CASE("blocks have the values, to the bit, that gguf's own code gives them") {
    std::ifstream file(source_path("tests/golden/blocks.json"));
    const Json types = Json::parse(file).at("types");
    std::size_t seen = 0;
    for (const DTypeInfo& type : kDTypes) {
        if (!is_block_quantized(type.dtype)) continue;
        CAPTURE(type.name);
        ++seen;
        const Json& golden = types.at(std::string(type.name));
        CHECK(golden.at("block_elements") == type.block_elements);
        CHECK(golden.at("block_bytes") == type.block_bytes);
        const std::vector<std::byte> blocks = from_hex(golden.at("blocks")), expected = from_hex(golden.at("values"));
        std::vector<float> values(expected.size() / sizeof(float));
        REQUIRE(bytes_of(type.dtype, std::ssize(values)) == std::ssize(blocks));
        dequantize(type.dtype, blocks.data(), std::ssize(values), values.data());
        const auto* bits = reinterpret_cast<const std::byte*>(values.data());
        CHECK(std::vector<std::byte>(bits, bits + expected.size()) == expected);
    }
    CHECK(seen == types.size());
}

TEST_CASE("the blocks that are simple enough to work out by hand") {
    // q8_0: a scale of 0.5 (f16 0x3800) and the numbers -3, 2, 0, …
    std::vector<std::byte> q8(34);
    q8[1] = std::byte{0x38};
    q8[2] = std::byte{0xfd};
    q8[3] = std::byte{2};
    float values[32];
    dequantize(DType::q8_0, q8.data(), 32, values);
    CHECK(values[0] == -1.5f);
    CHECK(values[1] == 1.0f);
    CHECK(values[31] == 0.0f);
    // mxfp4: 2^1, and the codes 7 (6.0) and 9 (-0.5) in the halves of the first byte, which are elements 0 and 16.
    std::vector<std::byte> mx(17);
    mx[0] = std::byte{128};
    mx[1] = std::byte{0x97};
    dequantize(DType::mxfp4, mx.data(), 32, values);
    CHECK(values[0] == 12.0f);
    CHECK(values[16] == -1.0f);
    CHECK(values[1] == 0.0f);
}

TEST_CASE("every scale of 16 bits that a block can have is the number that it says") {
    std::size_t different = 0;
    for (std::uint32_t bits = 0; bits <= 0xffff; ++bits) {
        std::vector<std::byte> block(34);
        block[0] = static_cast<std::byte>(bits & 0xff);
        block[1] = static_cast<std::byte>(bits >> 8);
        block[2] = std::byte{1};
        float values[32];
        dequantize(DType::q8_0, block.data(), 32, values);
        f16 scale;
        scale.bits = static_cast<std::uint16_t>(bits);
        const float expected = float(scale);
        different += std::isnan(expected)
                         ? !std::isnan(values[0])
                         : std::bit_cast<std::uint32_t>(values[0]) != std::bit_cast<std::uint32_t>(expected);
    }
    CHECK(different == 0);
}

}  // namespace
}  // namespace vitro::test
