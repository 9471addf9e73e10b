#include "frontend/gguf/gguf.h"

#include "base/error.h"
#include "base/random.h"
#include "frontend/gguf/gguf_reader.h"
#include "tests/frontend/gguf_files.h"
#include "tests/frontend/temp_dir.h"

#include <doctest/doctest.h>

#include <functional>

using namespace vitro;
using namespace vitro::test;

namespace {

const std::filesystem::path kName = "x.gguf";

/// A file of two tensors and a few keys.
GgufBytes valid_file() {
    GgufBytes file;
    file.keys = {gguf_key("general.architecture", "llama"), gguf_key("n", 7),
                 gguf_strings("list", {"a", "\xc3\xa9", ""})};
    file.tensors = {{"a", {4}, 0, 0}, {"b", {32, 3}, 8, 32}};  // F32 [4], Q8_0 [3, 32]
    file.data = std::string(32 + 3 * 34, '\1');
    return file;
}

/// "(no error)", or what opening the file says.
std::string error_of(const std::string& bytes) {
    const TempDir directory;
    write_bytes(directory / kName.string(), bytes);
    try {
        GgufFile::open(directory / kName.string());
    } catch (const Error& error) {
        return error.what();
    }
    return "(no error)";
}

struct Case {
    std::string name;
    std::string bytes;
    std::string expected;  // in the error
};

Case changed(std::string name, const std::function<void(GgufBytes&)>& change, std::string expected) {
    GgufBytes file = valid_file();
    change(file);
    return {std::move(name), file.bytes(), std::move(expected)};
}

Case with_tensor(std::string name, GgufTensorBytes tensor, std::string expected) {
    return changed(
        std::move(name), [&](GgufBytes& file) { file.tensors = {std::move(tensor)}; }, std::move(expected));
}

Case with_key(std::string name, std::string key, std::string expected) {
    return changed(
        std::move(name), [&](GgufBytes& file) { file.keys.push_back(std::move(key)); }, std::move(expected));
}

std::vector<Case> malformed_cases() {
    constexpr auto kMost = static_cast<std::uint64_t>(-1);
    const std::string whole = valid_file().bytes();
    const auto array = [](GgufType type, std::uint64_t count, std::string_view rest) {
        return gguf_key("k", GgufType::array, u32(static_cast<std::uint32_t>(type)) + u64(count) + std::string(rest));
    };
    std::vector<Case> cases{
        {"nothing", "", "expected a GGUF file"},
        {"three bytes", "GGU", "expected a GGUF file"},
        changed(
            "another magic", [](GgufBytes& f) { f.magic = "GGML"; },
            "expected a GGUF file, which begins with \"GGUF\", found \"GGML\""),
        changed(
            "version 0", [](GgufBytes& f) { f.version = 0; }, "expected GGUF of version 2 or 3, found 0"),
        changed(
            "version 1", [](GgufBytes& f) { f.version = 1; }, "expected GGUF of version 2 or 3, found 1"),
        changed(
            "version 4", [](GgufBytes& f) { f.version = 4; }, "expected GGUF of version 2 or 3, found 4"),
        changed(
            "big-endian", [](GgufBytes& f) { f.version = 3u << 24; }, "expected a little-endian GGUF file"),
        {"only a magic", "GGUF", "found the end of the file"},
        {"half a version", std::string("GGUF\3\0", 6), "expected the version, 4 bytes"},
        {"no counts", "GGUF" + u32(3), "the number of tensors"},
        changed(
            "tensors: -1", [=](GgufBytes& f) { f.tensor_count = kMost; },
            "the number of tensors at byte 8: expected at most"),
        changed(
            "tensors: 2^62", [](GgufBytes& f) { f.tensor_count = std::uint64_t{1} << 62; }, "the number of tensors"),
        changed(
            "more tensors than there are", [](GgufBytes& f) { f.tensor_count = 3; }, ""),
        changed(
            "keys: -1", [=](GgufBytes& f) { f.key_count = kMost; }, "the number of keys at byte 16: expected at most"),
        changed(
            "keys: 2^40", [](GgufBytes& f) { f.key_count = std::uint64_t{1} << 40; }, "the number of keys"),
        changed(
            "one key more than there are", [](GgufBytes& f) { f.key_count = 4; }, ""),
        with_key("an empty key", gguf_key("", 1), "expected keys of 1 to 65535 bytes, found one of 0"),
        with_key("a long key", gguf_key(std::string(70000, 'k'), 1),
                 "expected keys of 1 to 65535 bytes, found one of 70000"),
        with_key("a key of 2^63 bytes", u64(std::uint64_t{1} << 63), "the length of a key"),
        with_key("a key that is no UTF-8", gguf_key("\xff", 1), "expected UTF-8"),
        with_key("a key twice", gguf_key("n", 8), "expected each key once, found \"n\" twice"),
        with_key("a type of 13", gguf_key("k", GgufType{13}, ""), "the type of \"k\""),
        with_key("a type of 2^32 - 1", gguf_key("k", GgufType{0xffffffff}, ""), "found 4294967295"),
        with_key("a string that is no UTF-8", gguf_key("k", "\xc3"), "the value of \"k\""),
        with_key("a surrogate in a string", gguf_key("k", "\xed\xa0\x80"), "expected UTF-8"),
        with_key("a string of 2^64 - 1 bytes", gguf_key("k", GgufType::string, u64(kMost)),
                 "the length of the value of \"k\""),
        with_key("a bool of 2", gguf_key("k", GgufType::boolean, "\2"), "expected a bool of 0 or 1, found 2"),
        with_key("a bool of 255 in an array", array(GgufType::boolean, 2, "\1\xff"),
                 "expected a bool of 0 or 1, found 255"),
        with_key("an array of arrays", array(GgufType::array, 1, ""), "arrays of arrays"),
        with_key("an array of type 99", array(GgufType{99}, 1, ""), "the element type of \"k\""),
        with_key("an array of -1 elements", array(GgufType::u8, kMost, ""), "the value of \"k\""),
        with_key("an array of 2^61 numbers of 8 bytes", array(GgufType::u64, std::uint64_t{1} << 61, ""),
                 "the value of \"k\""),
        with_key("an array of 2^60 strings", array(GgufType::string, std::uint64_t{1} << 60, ""), "the value of \"k\""),
        with_key("a string of an array that is no UTF-8", gguf_strings("k", {"a", "\xff"}), "expected UTF-8"),
        with_key("a string of an array that is too long", array(GgufType::string, 1, u64(1 << 20)),
                 "the length of the value of \"k\""),
        with_key("alignment 0", gguf_key("general.alignment", 0),
                 "\"general.alignment\": expected an integer in [1, 1048576], found 0"),
        with_key("alignment 24", gguf_key("general.alignment", 24), "expected a power of two, found 24"),
        with_key("alignment 2^31", gguf_key("general.alignment", std::uint32_t{1} << 31),
                 "\"general.alignment\": expected"),
        with_key("an alignment in words", gguf_key("general.alignment", "32"), "found \"32\""),
        with_key("a negative alignment", gguf_key("general.alignment", GgufType::i32, u32(-32)), "found -32"),
        with_tensor("an empty name", {.name = ""}, "expected a name for every tensor"),
        with_tensor("a name that is no UTF-8", {.name = "\xf0\x9f"}, "a tensor's name"),
        with_tensor("no dimensions", {.dims = {}}, "expected 1 to 4 dimensions, found 0"),
        with_tensor("five dimensions", {.dims = {1, 1, 1, 1, 1}}, "expected 1 to 4 dimensions, found 5"),
        with_tensor("2^32 - 1 dimensions", {.rank = 0xffffffff}, "expected 1 to 4 dimensions, found 4294967295"),
        with_tensor("a dimension of 0", {.dims = {4, 0}}, "expected dimensions of at least 1, found 0"),
        with_tensor("a dimension of -1", {.dims = {-1}}, "expected dimensions of at least 1, found -1"),
        with_tensor("a dimension of -2^63", {.dims = {4, INT64_MIN}}, "expected dimensions of at least 1"),
        with_tensor("dimensions that overflow", {.dims = {1 << 30, 1 << 30, 1 << 30}}, "expected at most 2^60 bytes"),
        with_tensor("dimensions whose product wraps to little", {.dims = {INT64_C(1) << 32, INT64_C(1) << 32}},
                    "expected at most 2^60 bytes"),
        with_tensor("bytes that overflow", {.dims = {INT64_C(1) << 61}}, "expected at most 2^60 bytes"),
        with_tensor("no multiple of the block", {.dims = {33}, .type = 8},
                    "expected its innermost dimension to be a multiple of 32, the block of Q8_0, found 33"),
        with_tensor("no multiple of a large block", {.dims = {128, 4}, .type = 12},
                    "a multiple of 256, the block of Q4_K, found 128"),
        with_tensor("a type that was removed", {.type = 4}, "expected the number of a ggml type, found 4"),
        with_tensor("a type of 1000", {.type = 1000}, "expected the number of a ggml type, found 1000"),
        with_tensor("a place off the alignment", {.offset = 8},
                    "expected its offset to be a multiple of the alignment, 32, found 8"),
        with_tensor("a place past the end", {.offset = 4096}, "ends past the end of the file"),
        with_tensor("a place that wraps", {.offset = kMost - 31}, "ends past the end of the file"),
        with_tensor("a place whose end wraps", {.dims = {64}, .offset = kMost / 32 * 32 - 64},
                    "ends past the end of the file"),
        with_tensor("one element too many", {.dims = {36}}, "ends past the end of the file"),
        changed(
            "a name twice", [](GgufBytes& f) { f.tensors[1].name = "a"; },
            "expected each tensor once, found \"a\" twice"),
        changed(
            "two that overlap", [](GgufBytes& f) { f.tensors[1].offset = 0; }, "inside tensor"),
        changed(
            "one inside another", [](GgufBytes& f) { std::swap(f.tensors[0].offset, f.tensors[1].offset); },
            "inside tensor"),
        changed(
            "data cut short", [](GgufBytes& f) { f.data.pop_back(); }, "tensor \"b\" of 102 bytes begins at byte 32"),
        changed(
            "no data", [](GgufBytes& f) { f.data.clear(); }, "ends past the end of the file"),
        changed(
            "padded to less than it says", [](GgufBytes& f) { f.keys.push_back(gguf_key("general.alignment", 1024)); },
            ""),
        with_key("a split without a number", gguf_key("split.count", GgufType::u16, little_endian(std::uint16_t{2})),
                 "expected the key \"split.no\""),
        changed(
            "the second of two",
            [](GgufBytes& f) {
                f.keys.push_back(gguf_key("split.count", 2));
                f.keys.push_back(gguf_key("split.no", 1));
            },
            "\"split.no\": expected 0: open the first file"),
        changed(
            "a split whose name does not say so",
            [](GgufBytes& f) {
                f.keys.push_back(gguf_key("split.count", 2));
                f.keys.push_back(gguf_key("split.no", 0));
            },
            "expected a name that ends in -00001-of-00002.gguf"),
        with_key("a split into a million", gguf_key("split.count", 1000000),
                 "\"split.count\": expected an integer in [0, 10000]"),
        with_key("a negative split", gguf_key("split.count", GgufType::i32, u32(-1)), "\"split.count\": expected"),
    };
    for (std::size_t length = 0; length < whole.size(); length += 7)
        cases.push_back({fmt::format("cut off at byte {}", length), whole.substr(0, length), ""});
    return cases;
}

}  // namespace

TEST_CASE("a GGUF file of version 2 or 3: keys, shapes outermost first, types, places") {
    for (const std::uint32_t version : {2, 3}) {
        const TempDir directory;
        GgufBytes bytes = valid_file();
        bytes.version = version;
        write_bytes(directory / "x.gguf", bytes.bytes());
        CHECK(is_gguf(directory / "x.gguf"));
        CHECK_FALSE(is_gguf(directory.path()));
        const GgufFile file = GgufFile::open(directory / "x.gguf");
        CHECK(file.at("general.architecture").string() == "llama");
        CHECK(file.at("n").integer(0, 7) == 7);
        CHECK(file.at("list").strings() == std::vector<std::string>{"a", "\xc3\xa9", ""});
        CHECK(file.names() == std::vector<std::string>{"a", "b"});
        CHECK(file.find("b")->shape == std::vector<std::int64_t>{3, 32});
        CHECK(file.find("b")->dtype == DType::q8_0);
        CHECK(file.find("b")->bytes == 102);
        CHECK(file.find("a")->data[0] == std::byte{1});
        CHECK(file.find("c") == nullptr);
        CHECK(file.data_bytes() == 118);
        CHECK_THROWS_WITH_AS(file.at("n").string(), "x.gguf: \"n\": expected a string, found 7", Error);
        CHECK_THROWS_WITH_AS(file.at("n").integer(0, 6), "x.gguf: \"n\": expected an integer in [0, 6], found 7",
                             Error);
        CHECK_THROWS_WITH_AS(file.at("list").integers(),
                             "x.gguf: \"list\": expected an array of integers, found an array of 3 string", Error);
        CHECK_THROWS_WITH_AS(file.at("none"), "x.gguf: expected the key \"none\", found no such key", Error);
    }
}

TEST_CASE("a tensor of a type that vitro does not read is refused by name, when it is asked for") {
    const TempDir directory;
    GgufBytes bytes = valid_file();
    bytes.tensors[1] = {"q", {256}, 16, 32};
    write_bytes(directory / "x.gguf", bytes.bytes());
    const GgufFile file = GgufFile::open(directory / "x.gguf");
    CHECK(file.entry("q")->type == "IQ2_XXS");
    CHECK_THROWS_WITH_AS(file.find("q"), "x.gguf: tensor \"q\": the type IQ2_XXS is not supported", Error);
}

TEST_CASE("the block sizes of ggml's types are those of vitro's types of the same names") {
    std::size_t blocks = 0;
    for (std::uint32_t number = 0; number < 50; ++number) {
        const GgufTensorType* type = find_gguf_tensor_type(number);
        if (type == nullptr) continue;
        std::string lower;
        for (const char c : type->name) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        const auto dtype = dtype_named(lower);
        if (!dtype) continue;
        CAPTURE(type->name);
        CHECK(info(*dtype).block_elements == type->block_elements);
        CHECK(info(*dtype).block_bytes == type->block_bytes);
        ++blocks;
    }
    CHECK(blocks == 17);  // all but f8e4m3, which ggml has not
}

TEST_CASE("a file in parts is one file; a part that is missing or out of place is refused") {
    const auto part = [](std::uint16_t number, std::string tensor) {
        GgufBytes file;
        file.keys = {gguf_key("split.no", GgufType::u16, little_endian(number)),
                     gguf_key("split.count", GgufType::u16, little_endian(std::uint16_t{2})),
                     gguf_key("split.tensors.count", GgufType::i32, u32(2))};
        file.tensors = {{std::move(tensor), {8}, 0, 0}};
        file.data = std::string(32, static_cast<char>(number + 1));
        return file.bytes();
    };
    const TempDir directory;
    const auto first = directory / "m-00001-of-00002.gguf", second = directory / "m-00002-of-00002.gguf";
    const auto error = [&]() -> std::string {
        try {
            GgufFile::open(first);
        } catch (const Error& caught) {
            return caught.what();
        }
        return "(no error)";
    };
    write_bytes(first, part(0, "a"));
    CHECK(error().find("m-00002-of-00002.gguf") != std::string::npos);
    write_bytes(second, part(1, "b"));
    const GgufFile file = GgufFile::open(first);
    CHECK(file.names() == std::vector<std::string>{"a", "b"});
    CHECK(file.find("b")->data[31] == std::byte{2});
    write_bytes(second, part(1, "a"));
    CHECK(error() == "m-00002-of-00002.gguf: expected each tensor once, found \"a\" twice");
    write_bytes(second, part(0, "b"));
    CHECK(error() == "m-00002-of-00002.gguf: \"split.no\": expected 1, as the file's name says, found 0");
    GgufBytes without;
    without.tensors = {{"b", {8}, 0, 0}};
    without.data = std::string(32, '\0');
    write_bytes(second, without.bytes());
    CHECK(error() == "m-00002-of-00002.gguf: expected the key \"split.no\", found no such key");
    GgufBytes empty;
    empty.keys = {gguf_key("split.no", 1)};
    write_bytes(second, empty.bytes());
    CHECK(error() == "m-00001-of-00002.gguf: \"split.tensors.count\": expected 1, the tensors of all files, found 2");
}

TEST_CASE("malformed GGUF files end in an error that says what is wrong") {
    CHECK(error_of(valid_file().bytes()) == "(no error)");
    const std::vector<Case> cases = malformed_cases();
    CHECK(cases.size() >= 60);
    for (const Case& one : cases) {
        CAPTURE(one.name);
        const std::string error = error_of(one.bytes);
        CHECK(error.starts_with("x.gguf: "));
        CHECK_MESSAGE(error.find(one.expected) != std::string::npos, error);
        CHECK(error.find('\n') == std::string::npos);
    }
}

TEST_CASE("a GGUF file with random bytes changed opens or is refused") {
    const std::string whole = valid_file().bytes();
    Random random(5);
    std::size_t refused = 0;
    for (int round = 0; round < 400; ++round) {
        std::string bytes = whole;
        for (std::int64_t n = random.integer(1, 3); n > 0; --n)
            bytes[static_cast<std::size_t>(random.integer(4, std::ssize(bytes) - 1))] =
                static_cast<char>(random.integer(-128, 127));
        refused += error_of(bytes) != "(no error)" ? 1 : 0;
    }
    CHECK(refused > 100);
}
