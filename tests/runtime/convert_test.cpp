// Models written as GGUF files: what is read from them is what was given.
#include "frontend/gguf/gguf_convert.h"

#include "frontend/checkpoint.h"
#include "frontend/config.h"
#include "frontend/gguf/gguf_writer.h"
#include "frontend/tokenizer/gguf_vocabulary.h"
#include "tests/frontend/gguf_files.h"
#include "tests/frontend/temp_dir.h"
#include "tests/runtime/errors.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/tiny_model.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

using namespace vitro;
using namespace vitro::test;

namespace {

std::filesystem::path converted(const TempDir& directory, const std::filesystem::path& model, std::string_view type) {
    const auto out = directory / (model.stem().string() + "-" + std::string(type) + ".gguf");
    convert_to_gguf(model, out, gguf_preset(type), 2);
    return out;
}

std::vector<float> logits(const std::filesystem::path& model) {
    const std::vector<std::int32_t> tokens{5, 17, 3, 60, 9, 31, 2, 44, 8, 12, 77, 4, 23, 50, 6, 18, 35, 41, 7, 29};
    return LoadedModel(model, {.context = 64, .passes = {.exact = true}}).feed(tokens);
}

std::string error_of(auto&& body) {
    try {
        body();
    } catch (const Error& error) {
        return error.what();
    }
    return {};
}

std::map<std::string, std::string> types_in(const std::filesystem::path& path) {
    std::map<std::string, std::string> types;
    const GgufFile file = GgufFile::open(path);
    for (const std::string& name : file.names()) types[name] = file.entry(name)->type;
    return types;
}

/// A tokenizer.json whose words are cut by `rule`.
std::string byte_level_tokenizer(const std::string& rule, bool ignore_merges) {
    return R"({"added_tokens": [{"id": 3, "content": "<s>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}],
"normalizer": null, "pre_tokenizer": )" +
           rule + R"(, "post_processor": null, "decoder": {"type": "ByteLevel"},
"model": {"type": "BPE", "ignore_merges": )" +
           (ignore_merges ? "true" : "false") + R"(, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})";
}

std::string sequence(const std::string& regex) {
    return R"({"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": ")" + regex +
           R"("}, "behavior": "Isolated", "invert": false}, {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false}]})";
}

}  // namespace

TEST_CASE("a directory's model, converted without rounding, gives the directory's logits bit for bit") {
    const TempDir directory;
    const std::map<std::string, std::string> refused{
        {"qwen2_yarn", "expected rope unscaled or scaled linearly"},
        {"qwen2_window", "config.json: layer 0: expected heads, window and rope as llama.cpp takes those of qwen2"},
        {"smollm3_no_rope",
         "config.json: layer 1: expected heads, window and rope as llama.cpp takes those of smollm3"},
        {"olmo3", "config.json: layer 1: expected heads, window and rope as llama.cpp takes those of olmo2"},
        {"ministral_layers", "ministral: expected one of llama, mistral, phi3, qwen2, qwen3, gemma2, gemma3_text"},
        {"gemma2", "config.json: expected the scale of attention as llama.cpp takes it to be for gemma2"},
        {"gemma3", "config.json: layer 2: expected heads, window and rope as llama.cpp takes those of gemma3 to be"}};
    const std::vector<std::string> written{"llama",       "mistral", "phi3",  "qwen2",    "qwen3",     "gemma2",
                                           "gemma3_text", "granite", "olmo2", "stablelm", "starcoder2"};
    std::size_t equal = 0;
    for (const std::string& name : golden_names()) {
        CAPTURE(name);
        const auto golden = source_path("tests/golden/" + name);
        if (const auto error = refused.find(name); error != refused.end()) {
            CHECK_THROWS_WITH_AS(converted(directory, golden, "f16"), doctest::Contains(error->second.c_str()), Error);
            continue;
        }
        const std::string type = read_model_config(golden).model_type;
        if (std::ranges::find(written, type) == written.end()) {
            CHECK_THROWS_WITH_AS(converted(directory, golden, "f16"),
                                 doctest::Contains((type + ": expected one of llama, mistral, phi3").c_str()), Error);
            continue;
        }
        Checkpoint checkpoint = Checkpoint::open(golden);
        const DType dtype = checkpoint.at("model.embed_tokens.weight").dtype;
        const auto file = converted(directory, golden, dtype == DType::f16 ? "f16" : "bf16");
        if (dtype == DType::f32) {
            CHECK(nmse(logits(file), logits(golden)) < 1e-4);
            continue;
        }
        CHECK(logits(file) == logits(golden));
        ++equal;
    }
    CHECK(equal >= 25);
}

TEST_CASE("Gemma's norms get the 1 that its directories leave out, and files the layers that llama.cpp expects") {
    const TempDir directory;
    const auto altered = [&](const std::string& name, const std::string& from, const std::string& to) {
        const auto model = directory / name;
        std::filesystem::copy(source_path("tests/golden/" + name), model);
        std::string config = read_bytes(model / "config.json");
        const std::size_t at = config.find(from);
        REQUIRE(at != std::string::npos);
        write_bytes(model / "config.json", config.replace(at, from.size(), to));
        return model;
    };
    const std::string each_second = "1,\n    0,\n    1,\n    0\n";
    for (const auto& model : {altered("gemma2", "\"query_pre_attn_scalar\": 8", "\"query_pre_attn_scalar\": 16"),
                              altered("gemma3", "\"full_attention\"\n", "\"sliding_attention\"\n"),
                              altered("olmo3", "\"full_attention\"\n", "\"sliding_attention\"\n"),
                              altered("smollm3_no_rope", each_second, "1,\n    1,\n    1,\n    0\n")}) {
        CAPTURE(model.string());
        const auto file = converted(directory, model, "bf16");
        CHECK(nmse(logits(file), logits(model)) < 1e-9);
        CHECK(read_model_config(file).layers == read_model_config(model).layers);
    }
}

TEST_CASE("a converted file, converted again, has the bytes that the directory gives") {
    const TempDir directory;
    const auto bundled = source_path("models/bundled/tiny-phi3");
    const auto bf16 = converted(directory, bundled, "bf16");
    for (const std::string_view type : {"q4_k_m", "f16"}) {
        const auto once = converted(directory, bundled, type);
        const std::string bytes = read_bytes(once);
        const auto again = directory / "again.gguf";
        CHECK(convert_to_gguf(bf16, again, gguf_preset(type), 1).bytes == bytes.size());
        CHECK(read_bytes(again) == bytes);
    }
}

TEST_CASE("a directory that does not run is not converted, and what is wrong with its tensors is told") {
    const TempDir directory;
    const auto error_with = [&](std::string_view name, DType dtype, std::vector<std::int64_t> shape) {
        const std::vector<float> zeros(1 << 16);
        const auto model = directory / "model";
        std::filesystem::create_directory(model);
        write_tiny_model(model);
        const SafetensorsFile file = SafetensorsFile::open(model / "model.safetensors");
        std::vector<NamedTensor> tensors;
        for (const std::string& other : file.names())
            if (other != name) tensors.push_back({other, file.find(other)->tensor()});
        if (!shape.empty() || name == "scalar")
            tensors.push_back({std::string(name), {dtype, shape, const_cast<float*>(zeros.data())}});
        write_safetensors(directory / "other.safetensors", tensors, {});
        std::filesystem::rename(directory / "other.safetensors", model / "model.safetensors");
        return error_of([&] { converted(directory, model, "q8_0"); });
    };
    const std::string norm = "model.norm.weight", down = "model.layers.0.mlp.down_proj.weight";
    CHECK(error_with(norm, DType::f32, {16}) == "");
    CHECK(error_with(norm, DType::f32, {}) ==
          "model.safetensors: expected the tensor \"model.norm.weight\", found no such tensor");
    CHECK(error_with(norm, DType::f8e4m3, {16}) ==
          "model.safetensors: tensor \"model.norm.weight\": expected f32, f16 or bf16, found f8e4m3");
    CHECK(error_with(norm, DType::i32, {16}) ==
          "model.safetensors: tensor \"model.norm.weight\": expected f32, f16 or bf16, found i32");
    CHECK(error_with(down, DType::f32, {24, 16}) ==
          "model.safetensors: tensor \"" + down + "\": expected shape [16, 24] from config.json, found [24, 16]");
    for (const std::string name : {"lm_head.bias", "model.embed_tokens.bias", "scalar"})
        for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{0}, {}, {16}, {0, 16}}) {
            if (shape.empty() && name != "scalar") continue;
            CHECK(error_with(name, DType::f32, shape) ==
                  "model.safetensors: tensor \"" + name +
                      "\": expected only the weights of Phi3ForCausalLM, found one it does not have");
        }
}

TEST_CASE("integers in a GGUF file are converted as they are") {
    const TempDir directory;
    GgufHeader header;
    header.add_text("general.architecture", "llama");
    const std::vector<std::int64_t> shape{2, 32};
    header.add_tensor("blk.0.steps.weight", shape, *gguf_tensor_type(DType::i32), 256);
    std::string numbers;
    for (char i = 0; i < 64; ++i) numbers += std::string{i, 0, 0, 0};
    write_bytes(directory / "in.gguf", header.bytes() + numbers);
    const auto out = directory / "out.gguf";
    CHECK(convert_to_gguf(directory / "in.gguf", out, gguf_preset("q8_0"), 1).tensors == 1);
    CHECK(read_bytes(out).ends_with(numbers));
    CHECK(types_in(out).at("blk.0.steps.weight") == "I32");
}

TEST_CASE("a mixture gives more bits to the head, and to values and the way down in some layers") {
    const GgufMixture mixture{gguf_preset("q4_k_m"), 9, true, false};
    std::string more;
    for (int layer = 0; layer < 9; ++layer) {
        const auto type = [&](std::string_view module) {
            return gguf_weight_type(mixture, fmt::format("blk.{}.{}.weight", layer, module), 256);
        };
        CHECK(type("attn_v") == type("ffn_down"));
        CHECK(type("attn_qkv") == type("ffn_down"));
        CHECK(type("attn_q") == DType::q4_k);
        CHECK(type("ffn_up") == DType::q4_k);
        more += type("attn_v") == DType::q6_k ? '6' : '4';
    }
    CHECK(more == "644644666");
    CHECK(gguf_weight_type(mixture, "output.weight", 256) == DType::q6_k);
    CHECK(gguf_weight_type(mixture, "token_embd.weight", 256) == DType::q4_k);
    CHECK(gguf_weight_type({gguf_preset("q4_0"), 9, false, false}, "token_embd.weight", 256) == DType::q6_k);
    CHECK(gguf_weight_type({gguf_preset("q8_0"), 9, true, false}, "output.weight", 256) == DType::q8_0);
    CHECK(gguf_weight_type({gguf_preset("q4_k_m"), 80, true, true}, "blk.20.attn_v.weight", 256) == DType::q5_k);
    // Rows that blocks of 256 do not fit, nor those of 32.
    CHECK(gguf_weight_type(mixture, "blk.1.ffn_up.weight", 96) == DType::q5_0);
    CHECK(gguf_weight_type({gguf_preset("q5_k_m"), 9, true, false}, "blk.1.ffn_up.weight", 96) == DType::q5_1);
    CHECK(gguf_weight_type(mixture, "blk.0.ffn_down.weight", 96) == DType::q8_0);
    CHECK(gguf_weight_type(mixture, "blk.0.ffn_down.weight", 60) == DType::f16);
}

TEST_CASE("the tokenizer of a converted file makes the tokens of the directory's") {
    const TempDir directory;
    const auto bundled = source_path("models/bundled/tiny-phi3");
    const Tokenizer own = Tokenizer::load(bundled), written = Tokenizer::load(converted(directory, bundled, "q8_0"));
    for (const std::string_view text : {"The capital of France is Paris.", "x = 3.14\n\ty", "ü 漢"}) {
        CHECK(written.encode(text) == own.encode(text));
        CHECK(written.decode(own.encode(text)) == own.decode(own.encode(text)));
    }
}

TEST_CASE("a rule that cuts words is written by the name that llama.cpp has for it") {
    const TempDir directory;
    const auto name_of = [&](const std::string& rule, bool ignore_merges = false) {
        write_bytes(directory / "tokenizer.json", byte_level_tokenizer(rule, ignore_merges));
        std::vector<std::string> warnings;
        const GgufVocabulary vocabulary = export_gguf_vocabulary(directory.path(), 6, warnings);
        CHECK(warnings == std::vector<std::string>{});
        CHECK(vocabulary.tokens == std::vector<std::string>{"a", "b", "ab", "<s>", "[PAD4]", "[PAD5]"});
        CHECK(vocabulary.token_types == std::vector<std::int32_t>{1, 1, 1, 3, 5, 5});
        CHECK(vocabulary.merges == std::vector<std::string>{"a b"});
        return vocabulary.pre;
    };
    const std::string byte_level =
        R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true})";
    CHECK(name_of(byte_level) == "gpt-2");
    CHECK(name_of(R"({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, )" +
                  byte_level + "]}") == "codeshell");
    const std::string digits =
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)";
    CHECK(name_of(sequence(digits), true) == "falcon3");
    CHECK(name_of(sequence(digits)) == "chatglm-bpe");
    CHECK(error_of([&] { name_of(sequence("[aeiou]")); }) ==
          "tokenizer.json: \"pre_tokenizer\": expected a rule for words that GGUF files have a name for, found none "
          "that cuts so");
}

TEST_CASE("what cannot be said in a GGUF file is refused, and leaves no file") {
    const TempDir directory;
    GgufBytes file;
    file.keys = {gguf_key("general.architecture", "any")};
    file.tensors = {{.name = "x.weight", .dims = {2, 2}}};
    for (const float value : {1.0f, 2.0f, 1e6f, 4.0f}) file.data += little_endian(value);
    write_bytes(directory / "in.gguf", file.bytes());
    const auto error = [&](std::string_view type) {
        return error_of([&] { convert_to_gguf(directory / "in.gguf", directory / "out.gguf", gguf_preset(type), 1); });
    };
    CHECK(error("f16") == "\"x.weight\": expected numbers that f16 can say, found one that is an infinity there");
    CHECK_FALSE(std::filesystem::exists(directory / "out.gguf"));
    CHECK(error("bf16").empty());
    CHECK(types_in(directory / "out.gguf") == std::map<std::string, std::string>{{"x.weight", "BF16"}});
    CHECK(error("q3_k_s") == "expected one of f16, bf16, q8_0, q4_0, q4_k_m, q5_k_m, q6_k, found \"q3_k_s\"");
    file.keys.push_back(gguf_key("any.expert_count", 8));
    write_bytes(directory / "in.gguf", file.bytes());
    CHECK(error("bf16") ==
          "in.gguf: \"any.expert_count\": expected 0, since models of several experts are not converted, found 8");
}
