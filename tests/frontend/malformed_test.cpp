// Whatever a model directory holds, loading it either works or throws one Error of one line that says where and why.
#include "base/error.h"
#include "base/random.h"
#include "frontend/checkpoint.h"
#include "frontend/config.h"
#include "frontend/json.h"
#include "tests/frontend/malformed_cases.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace vitro;
using namespace vitro::test;

namespace {

/// Everything that loading reads before a model is built; the sum makes sure that every weight is touched.
double load(const std::filesystem::path& directory) {
    const ModelConfig model = read_model_config(directory);
    const GenerationConfig generation = read_generation_config(directory, model);
    Checkpoint checkpoint = Checkpoint::open(directory);
    double sum = static_cast<double>(generation.eos_token_ids.size());
    for (const std::string& name : checkpoint.names()) {
        const Tensor tensor = checkpoint.tensor(name);
        const auto* bytes = tensor.as<const unsigned char>();
        for (std::int64_t i = 0; i < tensor.bytes(); ++i) sum += bytes[i];
    }
    return sum;
}

/// Bytes with a few random changes: flipped, inserted, removed, copied elsewhere, or all cut off behind some point.
std::string mutated(std::string bytes, Random& random) {
    const std::int64_t changes = random.integer(1, 4);
    for (std::int64_t i = 0; i < changes && !bytes.empty(); ++i) {
        const auto at = static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(bytes.size()) - 1));
        const auto to = static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(bytes.size()) - 1));
        const auto length = static_cast<std::size_t>(random.integer(1, 24));
        switch (random.integer(0, 5)) {
            case 0:
                bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.integer(0, 7)));
                break;
            case 1:
                bytes[at] = "0123456789-.eE\"{}[],:nNx\\ "[random.integer(0, 25)];
                break;
            case 2:
                bytes.insert(at, std::to_string(random.bits() >> random.integer(0, 63)));
                break;
            case 3:
                bytes.erase(at, length);
                break;
            case 4:
                bytes.insert(to, bytes.substr(at, length));
                break;
            default:
                if (random.integer(0, 3) == 0) bytes.resize(at);
                break;
        }
    }
    return bytes;
}

/// Loads `iterations` directories whose one file was changed at random. Any exception but Error fails the test, and so
/// does a crash, or a finding of a sanitizer; returns how many loaded and how many were refused.
std::pair<int, int> fuzz(const std::filesystem::path& directory, const std::string& file, int iterations,
                         std::uint64_t seed) {
    Random random(seed);
    const std::string valid = read_bytes(directory / file);
    int loaded = 0;
    int refused = 0;
    for (int i = 0; i < iterations; ++i) {
        write_bytes(directory / file, mutated(valid, random));
        try {
            load(directory);
            ++loaded;
        } catch (const Error& error) {
            ++refused;
            if (std::string(error.what()).find('\n') != std::string::npos) FAIL_CHECK("two lines: ", error.what());
        }
    }
    write_bytes(directory / file, valid);
    return {loaded, refused};
}

}  // namespace

TEST_CASE("the directories that the cases break are valid before") {
    const TempDir single;
    write_tiny_model(single.path());
    const TempDir sharded;
    write_tiny_shards(sharded.path());
    CHECK(load(single.path()) == load(sharded.path()));
}

TEST_CASE("each malformed directory is refused with file, field and expectation") {
    const std::vector<MalformedCase> cases = malformed_cases();
    CHECK(cases.size() >= 60);
    std::set<std::string> names;
    for (const MalformedCase& one : cases) {
        CAPTURE(one.name);
        CHECK_MESSAGE(names.insert(one.name).second, "two cases have this name");
        const TempDir directory;
        one.write(directory.path());
        std::string text;
        try {
            load(directory.path());
        } catch (const Error& error) {
            text = error.what();
        }
        CAPTURE(text);
        CHECK_FALSE(text.empty());
        CHECK(text.find('\n') == std::string::npos);
        CHECK(text.size() < 1000);
        for (const std::string& part : one.expected)
            CHECK_MESSAGE(text.find(part) != std::string::npos, "lacks: ", part);
    }
}

TEST_CASE("random damage to a file ends in an Error or in nothing") {
    const TempDir single;
    write_tiny_model(single.path());
    const TempDir sharded;
    write_tiny_shards(sharded.path());
    const auto damage = [](const TempDir& directory, const std::string& file, std::uint64_t seed) {
        const auto [loaded, refused] = fuzz(directory.path(), file, 1000, seed);
        CAPTURE(file);
        // Both happen, so the damage is neither always fatal nor always without effect.
        CHECK(loaded > 0);
        CHECK(refused > 50);
    };
    damage(single, "config.json", 1);
    damage(single, "generation_config.json", 2);
    damage(single, "model.safetensors", 3);
    damage(sharded, "model.safetensors.index.json", 4);
    damage(sharded, "model-00001-of-00002.safetensors", 5);
}

TEST_CASE("random damage to a safetensors header alone") {
    const TempDir directory;
    write_tiny_model(directory.path());
    const std::string valid = read_bytes(directory / "model.safetensors");
    std::uint64_t length = 0;
    std::memcpy(&length, valid.data(), 8);
    Random random(6);
    int refused = 0;
    for (int i = 0; i < 1500; ++i) {
        const std::string header = mutated(valid.substr(8, length), random);
        write_bytes(directory / "model.safetensors", safetensors_bytes(header, 0) + valid.substr(8 + length));
        try {
            load(directory.path());
        } catch (const Error&) {
            ++refused;
        }
    }
    CHECK(refused > 500);
}

TEST_CASE("random text is JSON or an Error") {
    Random random(7);
    const std::string_view seed_text = R"({"a": [1, -2.5e3, "x\u00e9\ud83d\ude00", true, null], "b": {"c": {}}})";
    for (int i = 0; i < 20000; ++i) {
        const std::string text = mutated(std::string(seed_text), random);
        try {
            const JsonValue value = JsonValue::parse(text, "fuzz.json");
            if (value.is_object()) value.object_keys();
        } catch (const Error& error) {
            if (std::string(error.what()).find('\n') != std::string::npos) FAIL_CHECK("two lines: ", error.what());
        }
    }
}
