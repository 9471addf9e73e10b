#include "frontend/checkpoint.h"

#include "base/error.h"
#include "tests/runtime/tiny_model.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

using namespace vitro;
using namespace vitro::test;

namespace {

void check_tiny_weights(Checkpoint& checkpoint) {
    std::vector<std::string> names;
    std::size_t total = 0;
    for (const OwnedTensor& expected : tiny_tensors()) {
        CAPTURE(expected.name);
        names.push_back(expected.name);
        const Tensor tensor = checkpoint.tensor(expected.name);
        CHECK(checkpoint.at(expected.name).shape == expected.shape);
        REQUIRE(tensor.elements() == static_cast<std::int64_t>(expected.values.size()));
        CHECK(std::memcmp(tensor.data, expected.values.data(), expected.values.size() * sizeof(float)) == 0);
        total += expected.values.size() * sizeof(float);
    }
    std::sort(names.begin(), names.end());
    CHECK(checkpoint.names() == names);
    CHECK(checkpoint.total_bytes() == total);
}

/// Bytes of files that are mapped into this process's memory and there now.
std::size_t mapped_bytes() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        std::size_t kilobytes = 0;
        if (word == "RssFile:" && status >> kilobytes) return kilobytes << 10;
    }
    return 0;
}

}  // namespace

TEST_CASE("one file and shards hold the same weights") {
    const TempDir single;
    write_tiny_model(single.path());
    Checkpoint one = Checkpoint::open(single.path());
    CHECK(one.name() == "model.safetensors");
    check_tiny_weights(one);

    const TempDir sharded;
    write_tiny_shards(sharded.path());
    Checkpoint two = Checkpoint::open(sharded.path());
    CHECK(two.name() == "model.safetensors.index.json");
    check_tiny_weights(two);
}

TEST_CASE("the single file goes before an index") {
    const TempDir directory;
    write_tiny_model(directory.path());
    write_bytes(directory / "model.safetensors.index.json", "not even JSON");
    CHECK(Checkpoint::open(directory.path()).name() == "model.safetensors");
}

TEST_CASE("weights are mapped, not copied, but for small ones, whose pages may be much larger than they are") {
    const TempDir directory;
    std::string header = R"({"large":{"dtype":"F32","shape":[20000],"data_offsets":[0,80000]},)"
                         R"("small":{"dtype":"F32","shape":[2],"data_offsets":[80000,80008]}})";
    header.resize((header.size() + 7) / 8 * 8, ' ');
    write_bytes(directory / "model.safetensors",
                safetensors_bytes(header, 0) + std::string(80000, 'a') + std::string("\0\0\x80\x3f\0\0\0\xc0", 8));
    Checkpoint checkpoint = Checkpoint::open(directory.path());
    CHECK(checkpoint.tensor("large").data == checkpoint.at("large").data);
    const Tensor small = checkpoint.tensor("small");
    CHECK(small.data != checkpoint.at("small").data);
    CHECK(static_cast<const float*>(small.data)[0] == 1);
    CHECK(static_cast<const float*>(small.data)[1] == -2);
}

TEST_CASE("data that is not aligned to its element is copied once") {
    const TempDir directory;
    std::string header = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
    header.resize(header.size() / 4 * 4 + 5, ' ');
    write_bytes(directory / "model.safetensors",
                safetensors_bytes(header, 0) + std::string("\0\0\x80\x3f\0\0\0\xc0", 8));
    Checkpoint checkpoint = Checkpoint::open(directory.path());
    REQUIRE_FALSE(checkpoint.at("w").is_aligned());
    const Tensor tensor = checkpoint.tensor("w");
    CHECK(tensor.as<float>()[0] == 1.0f);
    CHECK(tensor.as<float>()[1] == -2.0f);
    CHECK(checkpoint.tensor("w").data == tensor.data);
}

TEST_CASE("a tensor that is released leaves memory, and can be asked for again") {
    constexpr std::int64_t kRows = 1 << 12, kColumns = 1 << 10;
    constexpr std::size_t kBytes = sizeof(float) * kRows * kColumns;
    const TempDir directory;
    std::vector<float> a(kRows * kColumns, 1.5f), b(kRows * kColumns, -2.0f);
    const std::int64_t sizes[] = {kRows, kColumns};
    const NamedTensor tensors[] = {{"a", Tensor(DType::f32, sizes, a.data())},
                                   {"b", Tensor(DType::f32, sizes, b.data())}};
    write_safetensors(directory / "model.safetensors", tensors);
    Checkpoint checkpoint = Checkpoint::open(directory.path());
    const auto sum = [&](const char* name) {
        const auto* floats = checkpoint.tensor(name).as<float>();
        return std::accumulate(floats, floats + kRows * kColumns, 0.0);
    };
    const double of_a = sum("a"), of_b = sum("b");
    const std::size_t before = mapped_bytes();
    checkpoint.release("a");
    CHECK(mapped_bytes() + kBytes / 10 * 9 <= before);
    CHECK(sum("b") == of_b);
    CHECK(sum("a") == of_a);
    CHECK(mapped_bytes() + kBytes / 10 > before);
}

TEST_CASE("links lead to the blobs of a download cache") {
    const TempDir cache;
    const TempDir directory;
    write_tiny_shards(cache.path());
    for (const auto& entry : std::filesystem::directory_iterator(cache.path())) {
        std::filesystem::create_symlink(entry.path(), directory.path() / entry.path().filename());
    }
    Checkpoint checkpoint = Checkpoint::open(directory.path());
    check_tiny_weights(checkpoint);
}

TEST_CASE("a tensor that is not there is asked for by name") {
    const TempDir directory;
    write_tiny_model(directory.path());
    Checkpoint checkpoint = Checkpoint::open(directory.path());
    CHECK(checkpoint.find("model.layers.1.mlp.down_proj.weight") == nullptr);
    CHECK_THROWS_WITH_AS(
        checkpoint.at("model.layers.1.mlp.down_proj.weight"),
        "model.safetensors: expected the tensor \"model.layers.1.mlp.down_proj.weight\", found no such "
        "tensor",
        Error);
}
