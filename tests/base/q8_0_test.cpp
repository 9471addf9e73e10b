// Rows of a cache in q8_0, to the bit.
#include "base/q8_0.h"

#include "base/blocks.h"
#include "tests/paths.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <vector>

namespace vitro::test {
namespace {

std::vector<std::uint8_t> from_hex(const std::string& text) {
    std::vector<std::uint8_t> out;
    for (std::size_t i = 0; i + 2 <= text.size(); i += 2)
        out.push_back(static_cast<std::uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
    return out;
}

std::vector<float> values_of(const Q8Block& block) {
    std::vector<float> out(Q8Block::kElements);
    dequantize(DType::q8_0, reinterpret_cast<const std::byte*>(&block), Q8Block::kElements, out.data());
    return out;
}

TEST_CASE("rows become the blocks of q8_0 that gguf's own code makes of them") {
    std::ifstream file(source_path("tests/golden/blocks.json"));
    const nlohmann::json golden = nlohmann::json::parse(file).at("rounded_q8_0");
    const std::vector<std::uint8_t> numbers = from_hex(golden.at("numbers")), expected = from_hex(golden.at("blocks"));
    std::vector<float> rows(numbers.size() / sizeof(float));
    std::memcpy(rows.data(), numbers.data(), numbers.size());
    std::vector<Q8Block> blocks(rows.size() / Q8Block::kElements);
    REQUIRE(blocks.size() == 24);
    round_to_q8_0(rows.data(), std::ssize(rows), blocks.data());
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(blocks.data());
    CHECK(std::vector<std::uint8_t>(bytes, bytes + blocks.size() * sizeof(Q8Block)) == expected);
}

TEST_CASE("a row that is not finite, or beyond what a scale of f16 reaches, makes its block NaN and no other") {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    for (const float odd : {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN(), 1e7f}) {
        CAPTURE(odd);
        std::vector<float> row(64, 0.5f);
        row[40] = odd;
        Q8Block blocks[2];
        round_to_q8_0(row.data(), 64, blocks);
        for (const float value : values_of(blocks[0])) CHECK(value == doctest::Approx(0.5).epsilon(1e-3));
        for (const float value : values_of(blocks[1])) CHECK(std::isnan(value));
    }
}

TEST_CASE("numbers too small for a scale of f16 are zeros, without a NaN of 1 / 0") {
    for (const float tiny : {0.0f, 1e-45f, 1e-39f, 1e-7f}) {
        CAPTURE(tiny);
        const std::vector<float> row(32, tiny);
        Q8Block block;
        round_to_q8_0(row.data(), 32, &block);
        for (const float value : values_of(block)) CHECK(value == 0.0f);
    }
}

}  // namespace
}  // namespace vitro::test
