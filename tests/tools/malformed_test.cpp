// Whatever is wrong with a model directory, the binary ends with 1 and one line that says where and why.
#include "tests/frontend/malformed_cases.h"
#include "tests/paths.h"
#include "tests/runtime/tiny_text_model.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>

using namespace vitro::test;
using Path = std::filesystem::path;

namespace {

ProcessResult logits(const Path& model, const Path& output) {
    return run_vitro({"logits", "-m", model.string(), "--tokens", "1,2", "-o", output.string(), "-t", "1"});
}

/// The tiny model with its tensors changed.
void write_with(const Path& directory, const std::function<void(std::vector<OwnedTensor>&)>& change) {
    write_tiny_model(directory);
    std::vector<OwnedTensor> tensors = tiny_tensors();
    change(tensors);
    write_tensors(directory / "model.safetensors", tensors);
}

OwnedTensor& find(std::vector<OwnedTensor>& tensors, std::string_view name) {
    for (OwnedTensor& tensor : tensors)
        if (tensor.name == name) return tensor;
    throw std::runtime_error("no tensor " + std::string(name));
}

}  // namespace

TEST_CASE("the models that the cases break run before") {
    const TempDir single, sharded, text;
    write_tiny_model(single.path());
    write_tiny_shards(sharded.path());
    write_tiny_text_model(text.path());
    check_success(logits(single.path(), single / "out"));
    check_success(logits(sharded.path(), sharded / "out"));
    CHECK(read_bytes(single / "out") == read_bytes(sharded / "out"));
    check_success(run_vitro({"run", "-m", text.path().string(), "the tin", "-n", "4"}));
}

TEST_CASE("each malformed directory ends with 1 and one line that says where and why") {
    const std::vector<MalformedCase> cases = malformed_cases();
    CHECK(cases.size() >= 60);
    for (const MalformedCase& one : cases) {
        CAPTURE(one.name);
        const TempDir directory, out;
        one.write(directory.path());
        // Tensors are looked at when they are wanted, and none of these is: see the test of such tensors below.
        const bool lazy = one.name.ends_with("dtype that vitro has not") || one.name.ends_with("too many dimensions");
        check_error(logits(directory.path(), out / "logits"),
                    lazy ? std::vector<std::string>{"model.safetensors: "} : one.expected);
        CHECK(std::filesystem::is_empty(out.path()));
    }
}

TEST_CASE("tensors that are not the model's are refused by name, with both shapes or dtypes") {
    struct Case {
        std::string name;
        std::function<void(std::vector<OwnedTensor>&)> change;
        std::vector<std::string> expected;
    };
    const std::string qkv = "model.layers.0.self_attn.qkv_proj.weight";
    const std::vector<Case> cases = {
        {"wrong rows",
         [&](auto& tensors) {
             find(tensors, qkv) = random_tensor(qkv, {33, 16}, 1);
         },
         {"model.safetensors: tensor \"" + qkv + "\": expected shape [32, 16] from config.json, found [33, 16]"}},
        {"transposed",
         [](auto& tensors) {
             find(tensors, "lm_head.weight").shape = {16, 48};
         },
         {"tensor \"lm_head.weight\": expected shape [48, 16] from config.json, found [16, 48]"}},
        {"flat", [&](auto& tensors) { find(tensors, qkv).shape = {512}; }, {qkv, "expected shape [32, 16]", "[512]"}},
        {"scalar norm",
         [](auto& tensors) { find(tensors, "model.norm.weight") = random_tensor("model.norm.weight", {1}, 1); },
         {"tensor \"model.norm.weight\": expected shape [16]", "found [1]"}},
        {"missing",
         [&](auto& tensors) { std::erase_if(tensors, [&](const OwnedTensor& t) { return t.name == qkv; }); },
         {"model.safetensors", qkv}},
        {"no head", [](auto& tensors) { tensors.pop_back(); }, {"model.safetensors", "lm_head.weight"}},
        {"extra",
         [](auto& tensors) {
             tensors.push_back(random_tensor("model.layers.1.mlp.down_proj.weight", {16, 24}, 1));
         },
         {"tensor \"model.layers.1.mlp.down_proj.weight\": expected only the weights of Phi3ForCausalLM"}},
        {"a bias that Phi-3 has not",
         [](auto& tensors) { tensors.push_back(random_tensor("lm_head.bias", {48}, 1)); },
         {"tensor \"lm_head.bias\": expected only the weights of Phi3ForCausalLM"}},
        {"other names",
         [](auto& tensors) {
             for (OwnedTensor& tensor : tensors) tensor.name = "transformer." + tensor.name;
         },
         {"model.safetensors", "model.embed_tokens.weight"}},
    };
    for (const Case& one : cases) {
        CAPTURE(one.name);
        const TempDir directory;
        write_with(directory.path(), one.change);
        check_error(logits(directory.path(), directory / "out"), one.expected);
    }
}

TEST_CASE("tensors that vitro does not compute with are refused by name") {
    const auto check_header = [](std::string_view from, std::string_view to, const std::string& expected) {
        const TempDir directory;
        write_tiny_model(directory.path());
        edit_header(directory / "model.safetensors", from, to);
        check_error(logits(directory.path(), directory / "out"),
                    {"model.safetensors: tensor \"lm_head.weight\": expected " + expected});
    };
    const std::string_view head = R"("lm_head.weight":{"dtype":"F32","shape":[48,16])";
    check_header(head, R"("lm_head.weight":{"dtype":"I32","shape":[48,16])", "f32, f16 or bf16, found i32");
    check_header(head, R"("lm_head.weight":{"dtype":"U8","shape":[48,64])",
                 "dtype F32, F16, BF16, I32 or F8_E4M3, found U8");
    check_header(head, R"("lm_head.weight":{"dtype":"F8_E4M3","shape":[48,64])", "f32, f16 or bf16, found f8e4m3");
    check_header(head, R"("lm_head.weight":{"dtype":"F32","shape":[1,1,1,1,48,16])", "at most 5 dimensions, found 6");
}

TEST_CASE("a broken tokenizer ends run with 1 and one line") {
    struct Case {
        std::string name;
        std::function<void(const Path&)> change;
        std::vector<std::string> expected;
    };
    const auto text = [](std::string file, std::string content) {
        return [=](const Path& at) { write_bytes(at / file, content); };
    };
    const std::vector<Case> cases = {
        {"no model", [](const Path& at) { std::filesystem::remove(at / "tokenizer.model"); }, {"tokenizer.model"}},
        {"a directory",
         [](const Path& at) {
             std::filesystem::remove(at / "tokenizer.model");
             std::filesystem::create_directory(at / "tokenizer.model");
         },
         {"tokenizer.model", "expected a regular file, found a directory"}},
        {"empty", text("tokenizer.model", ""), {"tokenizer.model: expected a sentencepiece model with pieces"}},
        {"JSON", text("tokenizer.model", "{\"model\": 1}"), {"tokenizer.model: "}},
        {"cut",
         [](const Path& at) {
             write_bytes(at / "tokenizer.model", read_bytes(at / "tokenizer.model").substr(0, 1000));
         },
         {"tokenizer.model: "}},
        {"larger than the vocabulary",
         [](const Path& at) {
             write_tiny_model(at);
             write_bytes(at / "tokenizer.model", small_model());
         },
         {"tokenizer.model: expected at most 48 pieces"}},
        {"a config cut", text("tokenizer_config.json", "{"), {"tokenizer_config.json: "}},
        {"a config that is a list", text("tokenizer_config.json", "[]"), {"tokenizer_config.json: expected an object"}},
        {"an added token without an id",
         text("tokenizer_config.json", R"({"added_tokens_decoder": {"-1": {"content": "x"}}})"),
         {"tokenizer_config.json", "expected a token id as the key"}},
        {"added tokens not UTF-8", text("added_tokens.json", "{\"\xff\": 280}"), {"added_tokens.json: "}},
        {"an id of text", text("added_tokens.json", R"({"x": "1"})"), {"added_tokens.json: \"x\": "}},
        {"another kind of model",
         text("tokenizer.json", R"({"model": {"type": "CharLevel", "vocab": {}}})"),
         {"tokenizer.json: \"model.type\": expected BPE, Unigram, WordPiece or WordLevel, found \"CharLevel\""}},
    };
    for (const Case& one : cases) {
        CAPTURE(one.name);
        const TempDir directory;
        write_tiny_text_model(directory.path());
        one.change(directory.path());
        for (const std::string command : {"run", "tokenize"})
            check_error(run_vitro({command, "-m", directory.path().string(), "the tin"}), one.expected);
    }
}

TEST_CASE(
    "a run whose logits hold NaN or +Inf ends with an error that says so, and names the value that was the first") {
    for (const float wrong : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        const TempDir directory;
        write_with(directory.path(),
                   [&](std::vector<OwnedTensor>& tensors) { find(tensors, "lm_head.weight").values[7] = wrong; });
        const std::string model = directory.path().string();
        for (const std::vector<std::string>& how : {std::vector<std::string>{},
                                                    {"--temp", "1"},
                                                    {"--repeat-penalty", "1.1"},
                                                    {"--device", "cuda-emulated"}}) {
            std::vector<std::string> arguments{"run", "-m", model, "--tokens", "1,2", "-n", "2", "-t", "1"};
            arguments.insert(arguments.end(), how.begin(), how.end());
            check_error(run_vitro(arguments),
                        {"the logits hold", "expected numbers", "is the first value that is not finite",
                         "the weight lm_head.weight, holds 1 "});
        }
    }
}

TEST_CASE("a weight that is NaN is an error whatever the others, and the activations, are rounded to") {
    const TempDir directory;
    std::filesystem::copy(source_path("models/bundled/tiny-phi3"), directory.path());
    const std::filesystem::path file = directory / "model.safetensors";
    const std::string name = "model.layers.1.post_attention_layernorm.weight";
    std::string bytes = read_bytes(file);
    std::uint64_t header = 0;
    std::memcpy(&header, bytes.data(), sizeof header);
    const auto offsets = nlohmann::json::parse(bytes.substr(8, header)).at(name).at("data_offsets");
    const std::size_t at = 8 + header + offsets.at(0).get<std::size_t>() + 2 * 5;
    bytes.replace(at, 2, "\xc0\x7f");  // NaN in bf16
    write_bytes(file, bytes);
    for (const char* weights : {"stored", "q8_0", "q4_0", "q4_k", "fp8"}) {
        CAPTURE(weights);
        check_error(run_vitro({"run", "-m", directory.path().string(), "Hello", "-n", "2", "--weights", weights}),
                    {"the logits hold NaN: expected numbers", "is the first value that is not finite"});
    }
}

TEST_CASE("a model without a chat template runs, but does not chat") {
    const TempDir directory;
    write_tiny_text_model(directory.path());
    const std::string model = directory.path().string();
    check_success(run_vitro({"run", "-m", model, "the tin", "-n", "2"}));
    check_error(run_vitro({"run", "-m", model, "the tin", "-n", "2", "--chat"}), {"--chat-template FILE|chatml|"});
    check_error(run_vitro({"chat", "-m", model}, {.input = "the tin\n"}), {"--chat-template FILE|chatml|"});
    check_success(run_vitro({"run", "-m", model, "the tin", "-n", "2", "--chat", "--chat-template", "chatml"}));
    check_success(run_vitro({"chat", "-m", model, "-n", "2", "--chat-template", "llama2"}, {.input = "the tin\n"}));
    write_bytes(directory / "chat_template.jinja", "{% for m in messages %}{{ m }}");
    check_error(run_vitro({"chat", "-m", model}, {.input = "the tin\n"}),
                {"chat_template.jinja: line 1: expected {% endfor %}, found the end of the template"});
}
