// show, tokenize, detokenize, next, logits, graph and ops.
#include "frontend/safetensors.h"
#include "graph/text.h"
#include "ops/op_list.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/tiny_text_model.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

using namespace vitro;
using namespace vitro::test;
using Json = nlohmann::json;

namespace {

Json json_of(std::vector<std::string> arguments) {
    arguments.push_back("--json");
    const ProcessResult result = run_vitro(arguments);
    check_success(result);
    CHECK(result.err.empty());
    return Json::parse(result.out);
}

/// A module and all below it.
std::int64_t own_parameters(const Json& module) {
    std::int64_t sum = 0;
    for (const Json& weight : module.value("weights", Json::array())) {
        std::int64_t elements = 1;
        for (const Json& size : weight.at("shape")) elements *= size.get<std::int64_t>();
        sum += elements;
    }
    for (const Json& child : module.value("children", Json::array())) {
        CHECK(child.at("parameters") == own_parameters(child));
        sum += own_parameters(child);
    }
    return sum;
}

constexpr std::string_view kLlamaConfig = R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama",
  "vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
  "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 8192, "rms_norm_eps": 1e-05,
  "hidden_act": "silu", "tie_word_embeddings": false, "rope_theta": 500000.0, "torch_dtype": "bfloat16"})";

}  // namespace

TEST_CASE("show prints the tree of every architecture") {
    for (const std::string& name : golden_names()) {
        CAPTURE(name);
        const std::string directory = source_path("tests/golden/" + name).string();
        const ModelConfig config = read_model_config(directory);
        CHECK(out_of({"show", "-m", directory}).starts_with(config.architecture + "(\n"));
        const Json json = json_of({"show", "-m", directory});
        CHECK(json.at("type") == config.architecture);
        CHECK(json.at("parameters") == own_parameters(json));  // no module twice
    }
}

TEST_CASE("show prints the tree of modules with counts") {
    const TempDir directory;
    write_tiny_text_model(directory.path());
    const std::string text = out_of({"show", "-m", directory.path().string()});
    CHECK(text.starts_with("Phi3ForCausalLM(\n"));
    CHECK(contains(text, "(qkv_proj): Linear(in_features=16, out_features=32, bias=False)"));
    CHECK(contains(text, "(0): Phi3DecoderLayer("));
    const std::int64_t parameters = 2 * 290 * 16 + 16 * 3 + 32 * 16 + 16 * 16 + 48 * 16 + 16 * 24;
    CHECK(contains(text, fmt::format("\n{} parameters, {} bytes (0.00 GB)\n", parameters, 4 * parameters)));

    const Json json = json_of({"show", "-m", directory.path().string()});
    CHECK(json.at("type") == "Phi3ForCausalLM");
    CHECK(json.at("parameters") == parameters);
    CHECK(json.at("bytes") == 4 * parameters);
    CHECK(own_parameters(json) == parameters);
}

TEST_CASE("show works from config.json alone") {
    const TempDir directory;
    write_bytes(directory / "config.json", kLlamaConfig);
    const std::string text = out_of({"show", "-m", directory.path().string()});
    CHECK(text.starts_with("LlamaForCausalLM(\n"));
    CHECK(contains(text, "(0-31): 32 x LlamaDecoderLayer("));
    CHECK(contains(text, "(k_proj): Linear(in_features=4096, out_features=1024, bias=False)\n"));
    CHECK(contains(text, "(v_proj): Linear(in_features=4096, out_features=1024, bias=False)\n"));
    CHECK(contains(text, "8030261248 parameters, 16060522496 bytes (16.06 GB)"));  // Llama 3 8B, as published
    CHECK(json_of({"show", "-m", directory.path().string()}).at("parameters") == 8030261248);
}

TEST_CASE("show prints Phi-3-mini as PyTorch does") {
    const auto phi3 = test_data("phi-3-mini-4k-instruct");
    if (!phi3 || !std::filesystem::exists(*phi3 / "config.json")) {
        MESSAGE("SKIPPED: VITRO_TEST_DATA has no phi-3-mini-4k-instruct/config.json");
        return;
    }
    const std::string text = out_of({"show", "-m", phi3->string()});
    CHECK(contains(text, "(0-31): 32 x Phi3DecoderLayer("));
    CHECK(contains(text, "(qkv_proj): Linear(in_features=3072, out_features=9216, bias=False)"));
    // 2 embeddings of 32064 x 3072 (head and input), the last norm, and in each of 32 layers: qkv 9216 x 3072, o
    // 3072 x 3072, gate_up 16384 x 3072, down 3072 x 8192, two norms.
    const std::int64_t layer = (9216 + 3072 + 16384 + 8192 + 2) * std::int64_t{3072};
    const std::int64_t parameters = (2 * 32064 + 1) * std::int64_t{3072} + 32 * layer;
    CHECK(parameters == 3821079552);
    CHECK(contains(text, fmt::format("{} parameters, {} bytes", parameters, 2 * parameters)));
}

TEST_CASE("tokenize and detokenize are each other's inverse") {
    const std::string text = "The caf\xc3\xa9 <|user|> \xf0\x9f\x98\x80 ends.";
    const Json json = json_of({"tokenize", text});
    CHECK(json.size() == 3);
    REQUIRE(json.at("ids").size() >= 5);
    CHECK(json.at("pieces").size() == json.at("ids").size());
    CHECK(json.at("offsets").size() == json.at("ids").size());
    bool user = false;
    for (std::size_t i = 0; i < json.at("ids").size(); ++i) {
        const auto begin = json.at("offsets")[i][0].get<std::size_t>(),
                   end = json.at("offsets")[i][1].get<std::size_t>();
        CHECK(begin <= end);
        CHECK(end <= text.size());
        if (json.at("pieces")[i] != "<|user|>") continue;
        user = true;
        CHECK(contains(text.substr(begin, end - begin), "<|user|>"));
    }
    CHECK(user);
    std::string ids;
    for (const Json& id : json.at("ids")) ids += (ids.empty() ? "" : ",") + id.dump();
    CHECK(contains(out_of({"detokenize", ids, "--special"}), "caf\xc3\xa9"));
    CHECK(contains(out_of({"detokenize", ids, "--special"}), "<|user|>"));
    CHECK_FALSE(contains(out_of({"detokenize", ids}), "<|user|>"));
    CHECK(out_of({"detokenize", "1, 401 ,671", "672"}) == out_of({"detokenize", "1,401,671,672"}));
    const Json back = json_of({"detokenize", ids});
    CHECK(back.size() == 1);
    CHECK(contains(back.at("text").get<std::string>(), "\xf0\x9f\x98\x80 ends."));

    const std::string lines = out_of({"tokenize", text});
    CHECK(std::count(lines.begin(), lines.end(), '\n') == static_cast<std::ptrdiff_t>(json.at("ids").size()));
    CHECK(contains(lines, "<|user|>"));
}

TEST_CASE("bytes that are no UTF-8 are no reason to fail") {
    CHECK(json_of({"tokenize", "a\xff z"}).at("ids").size() >= 2);
    CHECK(json_of({"next", "a\xff z"}).at("prompt").is_string());
    check_success(run_vitro({"run", "a\xff z", "-n", "2", "--json"}));
}

TEST_CASE("next shows ids, shapes and the most probable tokens") {
    const std::string prompt = "The capital of France is";
    const Json json = json_of({"next", prompt, "--top", "5"});
    const std::size_t n = json.at("tokens").size();
    CHECK(json.at("prompt") == prompt);
    CHECK(json_of({"tokenize", prompt}).at("ids").size() == n);
    CHECK(json.at("stages").front().at("shape") == fmt::format("[1, {}]", n));
    CHECK(json.at("stages")[1].at("shape").get<std::string>().starts_with(fmt::format("[1, {}, ", n)));
    CHECK(json.at("stages").size() >= 5);
    REQUIRE(json.at("next").size() == 5);
    double sum = 0, before = 1;
    for (const Json& token : json.at("next")) {
        const auto probability = token.at("probability").get<double>();
        CHECK(probability <= before);
        sum += before = probability;
        CHECK(token.at("piece").is_string());
        CHECK(token.at("logit").is_number());
    }
    CHECK(sum <= 1.0000001);
    const auto& best = json.at("next");
    CHECK(std::exp(best[1].at("logit").get<double>() - best[0].at("logit").get<double>()) ==
          doctest::Approx(best[1].at("probability").get<double>() / best[0].at("probability").get<double>()));
    const Json run = json_of({"run", prompt, "-n", "1"});
    CHECK(run.at("tokens")[0] == best[0].at("id"));

    const std::string text = out_of({"next", prompt, "--top", "5"});
    CHECK(contains(text, "Paris"));
    CHECK(contains(text, fmt::format("-> [1, {}, ", n)));
}

TEST_CASE("logits writes one row a token, the last of which next ranks") {
    const TempDir directory;
    const std::string file = (directory / "logits.safetensors").string(), prompt = "The capital of France is";
    const ProcessResult result = run_vitro({"logits", "-p", prompt, "-o", file});
    check_success(result);
    CHECK(result.out.empty());
    const auto by_text = SafetensorsFile::open(file);
    const TensorView* logits = by_text.find("logits");
    REQUIRE(logits != nullptr);
    const Json next = json_of({"next", prompt, "--top", "1"});
    const auto vocab = static_cast<std::size_t>(logits->shape.at(1));
    CHECK(logits->dtype == DType::f32);
    CHECK(logits->shape.at(0) == static_cast<std::int64_t>(next.at("tokens").size()));
    std::vector<float> last(vocab);
    std::memcpy(last.data(), reinterpret_cast<const std::byte*>(logits->data) + logits->bytes - 4 * vocab, 4 * vocab);
    const auto best = std::max_element(last.begin(), last.end());
    CHECK(best - last.begin() == next.at("next")[0].at("id"));
    CHECK(*best == doctest::Approx(next.at("next")[0].at("logit").get<float>()));

    std::string ids;
    for (const Json& token : next.at("tokens")) ids += (ids.empty() ? "" : ",") + token.at("id").dump();
    const std::string other = (directory / "other.safetensors").string();
    check_success(run_vitro({"logits", "--tokens", ids, "-o", other, "-t", "3"}));
    CHECK(read_bytes(other) == read_bytes(file));
}

TEST_CASE("ops lists every op with its meaning") {
    const Json json = json_of({"ops"});
    CHECK(json.size() == all_ops().size());
    for (const Json& op : json) {
        CAPTURE(op.dump());
        CHECK(find_op(op.at("name").get<std::string>()) != nullptr);
        CHECK(op.at("doc").get<std::string>().size() > 10);
        CHECK(op.at("kind").is_string());
        CHECK(op.at("inputs").is_array());
        CHECK(op.at("cpu").is_boolean());
        CHECK(op.at("attributes").is_array());
    }
    const std::string text = out_of({"ops", "rope"});
    CHECK(text.starts_with("rope(x, positions"));
    // One op is told with its attributes, and no line is too long to read.
    CHECK(contains(out_of({"ops", "rms_norm"}), "\n    eps              a number, at least 0, by default 1e-06\n"));
    CHECK_FALSE(contains(out_of({"ops"}), "by default"));
    for (const OpDef* op : all_ops()) {
        CAPTURE(op->name);
        std::istringstream lines(out_of({"ops", std::string(op->name)}));
        for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 140);
    }
    CHECK(json_of({"ops", "rope"}).size() == 1);
    CHECK(contains(out_of({"ops"}), "\nrope("));
}

TEST_CASE("ops --check says that an op passed, and of a broken kernel each thing once") {
    CHECK(out_of({"ops", "--check", "relu"}).starts_with("relu               passed: "));
    const ProcessResult broken = run_vitro({"--plugin", VITRO_BROKEN_PLUGIN, "ops", "--check", "broken_relu"});
    CHECK(broken.exit_code == 1);
    CHECK(broken.out.starts_with("broken_relu        FAILED: "));
    CHECK(contains(broken.out, " more like it)"));
    CHECK(count(broken.out, "\n") < 12);
}
