#include "frontend/safetensors.h"

#include "base/error.h"
#include "base/half.h"
#include "tests/runtime/tiny_model.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

using namespace vitro;
using namespace vitro::test;

namespace {

using Shape = std::vector<std::int64_t>;

std::size_t files_in(const std::filesystem::path& directory) {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++count;
    return count;
}

}  // namespace

TEST_CASE("what is written is read back: dtype, shape, every bit") {
    const TempDir directory;
    std::vector<float> f32_values = {1.5f, -2.0f, 3.25f, 0.0f, -0.0f, 1e-40f};
    std::vector<f16> f16_values = {f16(1.0f), f16(-65504.0f), f16(6e-8f)};
    std::vector<bf16> bf16_values = {bf16(1.0f), bf16(3e38f)};
    std::vector<std::int32_t> i32_values = {-1, 2147483647};
    const std::vector<NamedTensor> tensors = {
        {"half", {DType::f16, Shape{3}, f16_values.data()}},
        {"single", {DType::f32, Shape{2, 3}, f32_values.data()}},
        {"brain \"float\" \xc3\xa9", {DType::bf16, Shape{1, 2, 1}, bf16_values.data()}},
        {"ids", {DType::i32, Shape{2}, i32_values.data()}},
        {"scalar", {DType::f32, Shape{}, f32_values.data()}},
        {"nothing", {DType::f32, Shape{4, 0}, nullptr}},
    };
    write_safetensors(directory / "t.safetensors", tensors, {{"format", "pt"}});

    const SafetensorsFile file = SafetensorsFile::open(directory / "t.safetensors");
    CHECK(file.names().size() == tensors.size());
    CHECK(file.metadata().at("format") == "pt");
    std::size_t total = 0;
    for (const NamedTensor& written : tensors) {
        CAPTURE(written.name);
        const TensorView* view = file.find(written.name);
        REQUIRE(view != nullptr);
        CHECK(view->is_aligned());
        CHECK(view->dtype == written.tensor.dtype);
        CHECK(view->tensor().rank == written.tensor.rank);
        CHECK(view->tensor().sizes == written.tensor.sizes);
        REQUIRE(view->bytes == static_cast<std::size_t>(written.tensor.bytes()));
        if (view->bytes > 0) CHECK(std::memcmp(view->data, written.tensor.data, view->bytes) == 0);
        total += view->bytes;
    }
    CHECK(file.data_bytes() == total);
    CHECK(file.find("absent") == nullptr);
    CHECK(files_in(directory.path()) == 1);
}

TEST_CASE("types of blocks are written as their bytes, behind what has wider elements") {
    const TempDir directory;
    std::vector<std::byte> blocks(18 * 3), packed(2 * 288);
    for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i] = std::byte(i);
    std::vector<float> values = {1, 2};
    const std::vector<NamedTensor> tensors = {
        {"a.blocks", {DType::q4_0, Shape{3, 32}, blocks.data()}},
        {"b.packed", {DType::q4_0_r16, Shape{32, 32}, packed.data()}},
        {"c.numbers", {DType::f32, Shape{2}, values.data()}},
    };
    write_safetensors(directory / "t.safetensors", tensors);
    const SafetensorsFile file = SafetensorsFile::open(directory / "t.safetensors");
    CHECK(file.names().front() == "c.numbers");
    const auto raw = file.raw("a.blocks");
    REQUIRE(raw.has_value());
    CHECK(raw->dtype == "U8");
    CHECK(raw->shape == Shape{3, 18});
    CHECK(std::equal(raw->data.begin(), raw->data.end(), blocks.begin(), blocks.end()));
    CHECK(file.raw("b.packed")->shape == Shape{2, 288});  // groups of 16 rows
    CHECK(file.raw("c.numbers")->dtype == "F32");
    CHECK(!file.raw("d").has_value());
    CHECK_THROWS_AS(file.find("a.blocks"), Error);  // numbers they are not
}

TEST_CASE("the bytes are those of the format") {
    const TempDir directory;
    const std::string header = R"({"b":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]},)"
                               R"("a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}   )";
    std::string bytes = safetensors_bytes(header, 0);
    bytes += std::string("\0\0\x80\x3f\x80\x3f\0\xc0", 8);
    write_bytes(directory / "t.safetensors", bytes);

    const SafetensorsFile file = SafetensorsFile::open(directory / "t.safetensors");
    CHECK(file.names() == std::vector<std::string>{"a", "b"});
    CHECK(file.name() == "t.safetensors");
    const TensorView* b = file.find("b");
    REQUIRE(b != nullptr);
    CHECK(b->shape == Shape{2});
    CHECK(b->file_offset == 8 + header.size() + 4);
    float a = 0;
    std::memcpy(&a, file.find("a")->data, 4);
    CHECK(a == 1.0f);
    bf16 second;
    std::memcpy(&second, b->data + 2, 2);
    CHECK(static_cast<float>(second) == -2.0f);
}

TEST_CASE("a tensor of a foreign dtype does no harm until it is asked for") {
    const TempDir directory;
    write_bytes(directory / "t.safetensors",
                safetensors_bytes(R"({"count":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                                  R"("w":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
                                  12));
    const SafetensorsFile file = SafetensorsFile::open(directory / "t.safetensors");
    CHECK(file.contains("count"));
    CHECK(file.find("w") != nullptr);
    CHECK(file.data_bytes() == 12);
    CHECK_THROWS_WITH_AS(file.find("count"),
                         "t.safetensors: tensor \"count\": expected dtype F32, F16, BF16, I32 or F8_E4M3, found I64",
                         Error);
}

TEST_CASE("a misplaced tensor is there, and says that it is misplaced") {
    const TempDir directory;
    const std::string header = R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
    for (std::size_t padding = 0; padding < 4; ++padding) {
        const std::string padded = header + std::string(padding, ' ');
        write_bytes(directory / "t.safetensors", safetensors_bytes(padded, 4));
        const SafetensorsFile file = SafetensorsFile::open(directory / "t.safetensors");
        CHECK(file.find("w")->is_aligned() == (padded.size() % 4 == 0));
    }
}

TEST_CASE("a file without tensors is a file") {
    const TempDir directory;
    write_safetensors(directory / "t.safetensors", {});
    const SafetensorsFile file = SafetensorsFile::open(directory / "t.safetensors");
    CHECK(file.names().empty());
    CHECK(file.data_bytes() == 0);
}

TEST_CASE("a view survives the move of its file") {
    const TempDir directory;
    std::vector<OwnedTensor> tensors = tiny_tensors();
    write_tensors(directory / "t.safetensors", tensors);
    std::vector<SafetensorsFile> files;
    files.push_back(SafetensorsFile::open(directory / "t.safetensors"));
    const TensorView* view = files.front().find("lm_head.weight");
    files.push_back(SafetensorsFile::open(directory / "t.safetensors"));
    files.push_back(SafetensorsFile::open(directory / "t.safetensors"));
    CHECK(std::memcmp(view->data, tensors.back().values.data(), view->bytes) == 0);
    CHECK(files.front().find("lm_head.weight") == view);
}

TEST_CASE("the writer refuses names that the reader would") {
    const TempDir directory;
    float value = 1;
    const Tensor tensor(DType::f32, Shape{1}, &value);
    const std::filesystem::path path = directory / "t.safetensors";
    CHECK_THROWS_WITH_AS(write_safetensors(path, std::vector<NamedTensor>{{"a", tensor}, {"a", tensor}}),
                         "t.safetensors: expected a different name for each tensor, found \"a\" twice", Error);
    CHECK_THROWS_AS(write_safetensors(path, std::vector<NamedTensor>{{"__metadata__", tensor}}), Error);
    CHECK_THROWS_AS(write_safetensors(path, std::vector<NamedTensor>{{"\xff", tensor}}), Error);
    CHECK(files_in(directory.path()) == 0);
}
