// Model directories broken in one way each. A case writes a whole directory that is valid but for its one flaw, and
// says what the error must speak of: file, field, and what was expected. The tests of the loader and of the binary
// share them.
#pragma once

#include "tests/runtime/tiny_model.h"

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vitro::test {

struct MalformedCase {
    std::string name;
    std::function<void(const std::filesystem::path& directory)> write;
    std::vector<std::string> expected;  // all of them are in the error's text
};

namespace malformed {

using Path = std::filesystem::path;
using Expected = std::vector<std::string>;

inline std::string repeated(std::string_view text, std::size_t times) {
    std::string result;
    for (std::size_t i = 0; i < times; ++i) result += text;
    return result;
}

/// The tiny model, its config.json with `from` replaced by `to`.
inline MalformedCase config(std::string name, std::string from, std::string to, Expected expected) {
    expected.emplace_back("config.json");
    return {"config: " + name,
            [=](const Path& directory) {
                write_tiny_model(directory);
                edit(directory / "config.json", from, to);
            },
            std::move(expected)};
}

inline MalformedCase generation(std::string name, std::string from, std::string to, Expected expected) {
    expected.emplace_back("generation_config.json");
    return {"generation config: " + name,
            [=](const Path& directory) {
                write_tiny_model(directory);
                edit(directory / "generation_config.json", from, to);
            },
            std::move(expected)};
}

/// The tiny model with this for model.safetensors.
inline MalformedCase weights(std::string name, std::string bytes, Expected expected) {
    expected.emplace_back("model.safetensors");
    return {"safetensors: " + name,
            [=](const Path& directory) {
                write_tiny_model(directory);
                write_bytes(directory / "model.safetensors", bytes);
            },
            std::move(expected)};
}

/// As weights, from a header and a number of data bytes.
inline MalformedCase header(std::string name, std::string_view text, std::size_t data_bytes, Expected expected) {
    return weights(std::move(name), safetensors_bytes(text, data_bytes), std::move(expected));
}

/// The tiny model in shards, its index with `from` replaced by `to`.
inline MalformedCase index(std::string name, std::string from, std::string to, Expected expected) {
    expected.emplace_back("model.safetensors.index.json");
    return {"index: " + name,
            [=](const Path& directory) {
                write_tiny_shards(directory);
                edit(directory / "model.safetensors.index.json", from, to);
            },
            std::move(expected)};
}

/// The tiny model, or its sharded form, after something was done to it.
inline MalformedCase changed(std::string name, bool sharded, std::function<void(const Path&)> change,
                             Expected expected) {
    return {std::move(name),
            [=](const Path& directory) {
                sharded ? write_tiny_shards(directory) : write_tiny_model(directory);
                change(directory);
            },
            std::move(expected)};
}

inline std::vector<MalformedCase> config_cases() {
    const std::string hidden = "\"hidden_size\": 16";
    const auto size_error = [](std::string found) {
        return Expected{"\"hidden_size\": expected an integer in [1, 1048576], found " + std::move(found)};
    };
    const std::string rope = R"({"type": "longrope", "short_factor": [1.0, 1.5], "long_factor": [2.0, 4.0]})";
    return {
        changed("config: missing", false, [](const Path& at) { std::filesystem::remove(at / "config.json"); },
                {"config.json: cannot be read: No such file"}),
        changed("config: a directory", false,
                [](const Path& at) {
                    std::filesystem::remove(at / "config.json");
                    std::filesystem::create_directory(at / "config.json");
                },
                {"config.json: expected a regular file, found a directory"}),
        changed("config: empty", false, [](const Path& at) { write_bytes(at / "config.json", ""); },
                {"config.json: line 1, column 1: expected valid JSON, found the end of the file"}),
        changed("config: cut in the middle", false,
                [](const Path& at) { write_bytes(at / "config.json", kTinyConfig.substr(0, 200)); },
                {"config.json: line 9, ", "expected valid JSON"}),
        changed("config: an array", false, [](const Path& at) { write_bytes(at / "config.json", "[]"); },
                {"config.json: expected an object, found an array of 0"}),
        changed("config: larger than any config", false,
                [](const Path& at) { write_bytes(at / "config.json", std::string(5 << 20, ' ')); },
                {"config.json: expected at most 4194304 bytes, found 5242880"}),
        changed("config: nested a million deep", false,
                [](const Path& at) { write_bytes(at / "config.json", std::string(1000000, '[')); },
                {"config.json: expected values nested at most 64 deep"}),
        config("a zero byte", "\"silu\"", std::string("\"si\0lu\"", 7), {"expected JSON text, found a zero byte"}),
        config("not UTF-8", "\"silu\"", "\"si\xfflu\"", {"expected valid JSON", "ill-formed UTF-8"}),
        config("a key twice", hidden, hidden + ", " + hidden, {"expected each key once, found \"hidden_size\" twice"}),
        config("NaN", "1e-05", "NaN", {"expected valid JSON, found NaN"}),
        config("infinite", "10000.0", "-Infinity", {"expected valid JSON, found -Infinity"}),
        config("a number beyond doubles", "10000.0", "1e999", {"expected valid JSON, found a number too large"}),
        config("a size missing", hidden + ",", "", {"expected the key \"hidden_size\""}),
        config("a size null", hidden, "\"hidden_size\": null", size_error("null")),
        config("a size fractional", hidden, hidden + ".5", size_error("16.5")),
        config("a size written as a float", hidden, hidden + ".0", size_error("16.0")),
        config("a size negative", hidden, "\"hidden_size\": -16", size_error("-16")),
        config("a size zero", hidden, "\"hidden_size\": 0", size_error("0")),
        config("a size huge", hidden, "\"hidden_size\": 4294967312", size_error("4294967312")),
        config("a size that wraps 64 bits", hidden, "\"hidden_size\": 18446744073709551632",
               size_error("18446744073709551632")),
        config("a size as text", hidden, "\"hidden_size\": \"16\"", size_error("\"16\"")),
        config("layers huge", "\"num_hidden_layers\": 1", "\"num_hidden_layers\": 1000000",
               {"\"num_hidden_layers\": expected an integer in [1, 4096]"}),
        config("vocabulary huge", "\"vocab_size\": 48", "\"vocab_size\": 99999999",
               {"\"vocab_size\": expected an integer in [1, 16777216]"}),
        config("heads zero", "\"num_attention_heads\": 4", "\"num_attention_heads\": 0",
               {"\"num_attention_heads\": expected an integer in [1, 16384]"}),
        config("kv heads do not divide heads", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3",
               {"\"num_key_value_heads\": expected a divisor of num_attention_heads (4), found 3"}),
        config("more kv heads than heads", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 8",
               {"\"num_key_value_heads\": expected a divisor of num_attention_heads (4), found 8"}),
        config("heads do not divide the width", hidden, "\"hidden_size\": 18",
               {"\"hidden_size\": expected a multiple of num_attention_heads (4), found 18"}),
        config("heads of a wide dimension", hidden, hidden + ", \"head_dim\": 1000000",
               {"\"head_dim\": expected an integer in [1, 16384], found 1000000"}),
        config("an odd head", hidden, hidden + ", \"head_dim\": 5",
               {"\"head_dim\": expected an even number, since rope rotates pairs of columns, found 5"}),
        config("eps negative", "1e-05", "-1e-05", {"\"rms_norm_eps\": expected a number in [0, 1], found -1e-05"}),
        config("window zero", "\"sliding_window\": 16", "\"sliding_window\": 0",
               {"\"sliding_window\": expected an integer in [1, 1073741824], found 0"}),
        config("positions negative", "\"max_position_embeddings\": 64", "\"max_position_embeddings\": -1",
               {"\"max_position_embeddings\": expected an integer in [1, 1073741824], found -1"}),
        config("activation unknown", "\"silu\"", "\"snake\"",
               {"\"hidden_act\": expected one of silu, swish, gelu", "found \"snake\""}),
        config("a flag as a number", "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": 0",
               {"\"tie_word_embeddings\": expected true or false, found 0"}),
        config("biases that Phi-3 has not", "\"attention_bias\": false", "\"attention_bias\": true",
               {"\"attention_bias\": expected false", "found true"}),
        config("dtype unknown", "\"float32\"", "\"float8_e4m3fn\"",
               {"\"torch_dtype\": expected one of float32, float16, bfloat16, found \"float8_e4m3fn\""}),
        config("architecture unknown", "Phi3ForCausalLM", "MambaForCausalLM",
               {"\"architectures[0]\": expected one of BertForMaskedLM, ", ", Phi3ForCausalLM, ",
                "found \"MambaForCausalLM\""}),
        config("architectures empty", "[\"Phi3ForCausalLM\"]", "[]", {"\"architectures\": expected an array with"}),
        config("quantized", hidden, hidden + R"(, "quantization_config": {"quant_method": "gptq"})",
               {"\"quantization_config\": expected no quantization"}),
        config("rope type unknown", "\"longrope\"", "\"spiral\"",
               {"\"rope_scaling.type\": expected one of default, longrope, su, found \"spiral\""}),
        config(
            "rope factors too few", "[1.0, 1.5]", "[1.0]",
            {"\"rope_scaling.short_factor\": expected an array of 2 (half the rotary dimension), found an array of 1"}),
        config("rope factors too many", "[2.0, 4.0]", "[2.0, 4.0, 8.0]",
               {"\"rope_scaling.long_factor\": expected an array of 2", "found an array of 3"}),
        config("rope factor zero", "[2.0, 4.0]", "[2.0, 0]",
               {"\"rope_scaling.long_factor[1]\": expected a number in [1e-06, 1000000], found 0"}),
        config("rope factor not a number", "[2.0, 4.0]", "[2.0, null]",
               {"\"rope_scaling.long_factor[1]\": expected a number", "found null"}),
        config("rope factors missing", ", \"long_factor\": [2.0, 4.0]", "",
               {"\"rope_scaling\": expected the key \"long_factor\""}),
        config("rope scaling not an object", rope, "4", {"\"rope_scaling\": expected an object, found 4"}),
        config("rope theta negative", "10000.0", "-10000.0",
               {"\"rope_theta\": expected a number in ", "found -10000.0"}),
        config("nothing turns", hidden, hidden + ", \"partial_rotary_factor\": 0.1",
               {"\"partial_rotary_factor\": expected at least one column of head_dim (4) to rotate, found 0.1"}),
        config("more than a head turns", hidden, hidden + ", \"partial_rotary_factor\": 1.5",
               {"\"partial_rotary_factor\": expected a number in [0, 1], found 1.5"}),
        generation("cut", "\"repetition_penalty\": 1.1\n}", "\"repetition_penalty\"", {"expected valid JSON"}),
    };
}

inline std::vector<MalformedCase> safetensors_cases() {
    const auto truncated = [](std::string name, std::size_t (*keep)(std::size_t), Expected expected) {
        return changed(
            "safetensors: " + std::move(name), false,
            [=](const Path& at) {
                const std::string bytes = read_bytes(at / "model.safetensors");
                write_bytes(at / "model.safetensors", std::string_view(bytes).substr(0, keep(bytes.size())));
            },
            std::move(expected));
    };
    // Eight bytes of data would be right for the two tensors.
    const std::string a = R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
    const std::string b = R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]})";
    const auto one = [](std::string_view dtype, std::string_view shape, std::string_view offsets) {
        return R"({"a":{"dtype":)" + std::string(dtype) + R"(,"shape":)" + std::string(shape) + R"(,"data_offsets":)" +
               std::string(offsets) + "}}";
    };
    return {
        truncated("empty", [](std::size_t) -> std::size_t { return 0; },
                  {"model.safetensors: expected 8 bytes of header length, found a file of 0 bytes"}),
        truncated("cut in the header's length", [](std::size_t) -> std::size_t { return 7; },
                  {"model.safetensors: expected 8 bytes of header length, found a file of 7 bytes"}),
        truncated("cut in the header", [](std::size_t) -> std::size_t { return 100; },
                  {"model.safetensors: header length: expected at most 92, the rest of the file"}),
        truncated("cut by one byte", [](std::size_t size) { return size - 1; },
                  {"model.safetensors: tensor \"lm_head.weight\" ends at byte", "past the end of the file"}),
        changed(
            "safetensors: a byte too many", false,
            [](const Path& at) { write_bytes(at / "model.safetensors", read_bytes(at / "model.safetensors") + "x"); },
            {"model.safetensors: expected the file to end at byte", "where \"lm_head.weight\" ends"}),
        changed("safetensors: missing", false,
                [](const Path& at) { std::filesystem::remove(at / "model.safetensors"); },
                {"expected model.safetensors or model.safetensors.index.json, found neither"}),
        changed("safetensors: another format under the name", false,
                [](const Path& at) {
                    write_bytes(at / "model.safetensors", "PK\x03\x04 a zip archive, as PyTorch writes");
                },
                {"model.safetensors: header length: expected at most 100000000, found"}),
        weights("header length of all ones", std::string(8, '\xff') + "{}",
                {"header length: expected at most 100000000, found 18446744073709551615"}),
        weights("header length past the file", std::string("\x64\0\0\0\0\0\0\0{}", 10),
                {"header length: expected at most 2, the rest of the file, found 100"}),
        weights("header length too small", std::string("\x01\0\0\0\0\0\0\0{}", 10),
                {"(header): line 1, column 2: expected valid JSON, found the end of the file"}),
        weights("header length zero", std::string(8, '\0'), {"(header): line 1", "expected valid JSON"}),
        header("not JSON", "<html>", 0, {"(header): line 1, column 1: expected valid JSON"}),
        header("an array", "[]", 0, {"(header): expected an object, found an array of 0"}),
        header("nested deeply", repeated("{\"a\":", 10000), 0, {"(header): expected values nested at most 64 deep"}),
        header("not UTF-8", "{\"\xc3(\":1}", 0, {"(header): line 1", "ill-formed UTF-8"}),
        header("padded with zero bytes", std::string_view("{}\0\0", 4), 0,
               {"(header): expected JSON text, found a zero"}),
        header("a name twice", "{" + a + "," + a + "}", 4, {"(header): expected each key once, found \"a\" twice"}),
        header("a tensor that is a number", R"({"a":1})", 0, {"(header): \"a\": expected an object, found 1"}),
        header("no dtype", R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4,
               {"(header): \"a\": expected the key \"dtype\""}),
        header("no shape", R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4,
               {"(header): \"a\": expected the key \"shape\""}),
        header("no offsets", R"({"a":{"dtype":"F32","shape":[1]}})", 4,
               {"(header): \"a\": expected the key \"data_offsets\""}),
        header("dtype unknown", one("\"F31\"", "[1]", "[0,4]"), 4,
               {"\"a.dtype\": expected a safetensors dtype such as F32", "found \"F31\""}),
        header("dtype not text", one("32", "[1]", "[0,4]"), 4, {"\"a.dtype\": expected a string, found 32"}),
        header("dtype that vitro has not", one("\"F64\"", "[1]", "[0,8]"), 8,
               {"tensor \"a\": expected dtype F32, F16, BF16, I32 or F8_E4M3, found F64"}),
        header("too many dimensions", one("\"F32\"", "[1,1,1,1,1,1]", "[0,4]"), 4,
               {"tensor \"a\": expected at most 5 dimensions, found 6"}),
        header("shape negative", one("\"F32\"", "[-1]", "[0,4]"), 4, {"\"a.shape[0]\": expected an integer in [0, "}),
        header("shape fractional", one("\"F32\"", "[1.5]", "[0,4]"), 4, {"\"a.shape[0]\": expected an integer", "1.5"}),
        header("shape beyond 64 bits", one("\"F32\"", "[1,18446744073709551617]", "[0,4]"), 4,
               {"\"a.shape[1]\": expected an integer in [0, ", "found 18446744073709551617"}),
        header("shape a number", one("\"F32\"", "4", "[0,4]"), 4, {"\"a.shape\": expected an array, found 4"}),
        header("shape whose product wraps to the right size", one("\"F32\"", "[4294967296,4294967296]", "[0,0]"), 0,
               {"tensor \"a\": expected a shape that takes a whole number of bytes, less than 2^63, found F32 "
                "[4294967296, 4294967296]"}),
        header("shape that overflows only times the dtype", one("\"F32\"", "[4611686018427387905]", "[0,4]"), 4,
               {"tensor \"a\": expected a shape that takes a whole number of bytes, less than 2^63, found F32 "
                "[4611686018427387905]"}),
        header("half a byte", one("\"F4\"", "[3]", "[0,2]"), 2,
               {"tensor \"a\": expected a shape that takes a whole number of bytes"}),
        header("fewer bytes than the shape", one("\"F32\"", "[2]", "[0,4]"), 4,
               {"tensor \"a\": expected 8 bytes for F32 [2], found data_offsets [0, 4]"}),
        header("more bytes than the shape", one("\"BF16\"", "[]", "[0,4]"), 4,
               {"tensor \"a\": expected 2 bytes for BF16 [], found data_offsets [0, 4]"}),
        header("offsets of three", one("\"F32\"", "[1]", "[0,4,8]"), 8,
               {"\"a.data_offsets\": expected an array of 2, begin and end, found an array of 3"}),
        header("offsets backwards", one("\"F32\"", "[1]", "[4,0]"), 4,
               {"\"a.data_offsets[1]\": expected an integer in [4, "}),
        header("offset negative", one("\"F32\"", "[1]", "[-4,0]"), 4,
               {"\"a.data_offsets[0]\": expected an integer in [0, "}),
        header("offset at the end of 63 bits", one("\"F32\"", "[1]", "[9223372036854775803,9223372036854775807]"), 4,
               {"tensor \"a\" ends at byte 92233720368547759", "past the end of the file"}),
        header("outside the file", one("\"F32\"", "[1]", "[4,8]"), 4, {"tensor \"a\" ends at byte", "past the end"}),
        header("a hole before the first", one("\"F32\"", "[1]", "[4,8]"), 8,
               {"tensor \"a\": expected its data to begin at byte", "where the header ends"}),
        header("overlapping", "{" + a + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})", 6,
               {"tensor \"b\": expected its data to begin at byte", "where \"a\" ends"}),
        header("one inside the other", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)" + b + "}", 8,
               {"tensor \"b\": expected its data to begin at byte", "where \"a\" ends"}),
        header("two on the same bytes", "{" + a + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4,
               {"tensor \"b\": expected its data to begin at byte", "where \"a\" ends"}),
        header("a hole between", "{" + a + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[6,10]}})", 10,
               {"tensor \"b\": expected its data to begin at byte", "where \"a\" ends"}),
        header("metadata not text", R"({"__metadata__":{"format":1}})", 0,
               {"\"__metadata__.format\": expected a string, found 1"}),
        header("metadata not an object", R"({"__metadata__":[]})", 0, {"\"__metadata__\": expected an object"}),
        header("a name that would break the line", R"({"a\nb":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
               {R"(tensor "a\x0ab": expected 8 bytes)"}),
    };
}

inline std::vector<MalformedCase> index_cases() {
    const std::string first = "\"model.embed_tokens.weight\": \"model-00001-of-00002.safetensors\"";
    const auto points_to = [&](std::string name, const std::string& file) {
        return index(std::move(name), first, "\"model.embed_tokens.weight\": \"" + file + "\"",
                     {"\"weight_map.model.embed_tokens.weight\": expected the name of a .safetensors file in the same "
                      "directory"});
    };
    return {
        points_to("a path upwards", "../model-00001-of-00002.safetensors"),
        points_to("an absolute path", "/etc/model.safetensors"),
        points_to("a path downwards", "shards/model.safetensors"),
        points_to("a path for another system", "..\\\\model.safetensors"),
        points_to("the directory above", ".."),
        points_to("an empty name", ""),
        points_to("only an extension", ".safetensors"),
        points_to("another kind of file", "config.json"),
        points_to("a name with a zero byte", "a\\u0000.safetensors"),
        index("a number for a name", first, "\"model.embed_tokens.weight\": 1",
              {"\"weight_map.model.embed_tokens.weight\": expected a string, found 1"}),
        index("a very long name", first,
              "\"model.embed_tokens.weight\": \"" + std::string(5000, 'x') + ".safetensors\"",
              {"expected a file that is there"}),
        index("a shard that is not there", first, "\"model.embed_tokens.weight\": \"model-00003-of-00003.safetensors\"",
              {"\"weight_map.model.embed_tokens.weight\": expected a file that is there"}),
        index("a tensor in the wrong shard", first,
              "\"model.embed_tokens.weight\": \"model-00002-of-00002.safetensors\"",
              {"tensor \"model.embed_tokens.weight\"", "model-00001-of-00002.safetensors: "}),
        index("a tensor left out", first + ",", "",
              {"model-00001-of-00002.safetensors: tensor \"model.embed_tokens.weight\": expected ", "not listed"}),
        index("a tensor that no shard has", first, first + ", \"ghost\": \"model-00001-of-00002.safetensors\"",
              {"tensor \"ghost\": expected it in model-00001-of-00002.safetensors, found no such tensor"}),
        index("a tensor twice", first, first + ", " + first,
              {"\"weight_map\": expected each key once, found \"model.embed_tokens.weight\" twice"}),
        index("no weight map", "weight_map", "weightmap", {"expected the key \"weight_map\""}),
        index("cut", "}}", "", {"expected valid JSON, found the end of the file"}),
        changed("index: empty weight map", true,
                [](const Path& at) { write_bytes(at / "model.safetensors.index.json", R"({"weight_map": {}})"); },
                {"model.safetensors.index.json: \"weight_map\": expected at least one tensor"}),
        changed("index: weight map an array", true,
                [](const Path& at) { write_bytes(at / "model.safetensors.index.json", R"({"weight_map": []})"); },
                {"model.safetensors.index.json: \"weight_map\": expected an object, found an array of 0"}),
        changed("index: a shard removed", true,
                [](const Path& at) { std::filesystem::remove(at / "model-00002-of-00002.safetensors"); },
                {"model.safetensors.index.json: \"weight_map.", "expected a file that is there"}),
        changed(
            "index: a shard too many", true,
            [](const Path& at) { write_bytes(at / "model-00003-of-00003.safetensors", safetensors_bytes("{}", 0)); },
            {"model-00003-of-00003.safetensors: expected model.safetensors.index.json to list"}),
        changed("index: a shard that is a directory", true,
                [](const Path& at) {
                    std::filesystem::remove(at / "model-00002-of-00002.safetensors");
                    std::filesystem::create_directory(at / "model-00002-of-00002.safetensors");
                },
                {"model-00002-of-00002.safetensors: expected a regular file, found a directory"}),
        changed("index: a shard cut", true,
                [](const Path& at) {
                    const Path shard = at / "model-00002-of-00002.safetensors";
                    write_bytes(shard, std::string_view(read_bytes(shard)).substr(0, 1000));
                },
                {"model-00002-of-00002.safetensors: tensor ", "past the end of the file (1000)"}),
        changed(
            "index: a tensor too many in a shard", true,
            [](const Path& at) {
                std::vector<OwnedTensor> tensors = {random_tensor("lm_head.weight", {48, 16}, 1),
                                                    random_tensor("extra", {1}, 2)};
                write_tensors(at / "model-00002-of-00002.safetensors", tensors);
            },
            {"model-00002-of-00002.safetensors: tensor \"extra\": expected model.safetensors.index.json to list it"}),
        changed("index: the same tensor in both shards", true,
                [](const Path& at) {
                    std::vector<OwnedTensor> tensors = tiny_tensors();
                    tensors.erase(tensors.begin() + 1, tensors.begin() + 5);
                    write_tensors(at / "model-00002-of-00002.safetensors", tensors);
                },
                {"model-00002-of-00002.safetensors: tensor \"model.embed_tokens.weight\": expected ",
                 "found it listed in model-00001-of-00002.safetensors"}),
    };
}

}  // namespace malformed

inline std::vector<MalformedCase> malformed_cases() {
    std::vector<MalformedCase> all = malformed::config_cases();
    for (auto&& part : {malformed::safetensors_cases(), malformed::index_cases()}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

}  // namespace vitro::test
