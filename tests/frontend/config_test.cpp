// The frequencies expected here were computed by transformers 5.24 from the same configurations.
#include "frontend/config.h"

#include "base/error.h"
#include "tests/runtime/tiny_model.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

using namespace vitro;
using namespace vitro::test;

namespace {

/// The members that every architecture needs, before `more`.
std::string config_text(std::string_view architecture, std::string_view more) {
    return R"({"architectures": [")" + std::string(architecture) +
           R"("], "vocab_size": 48, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, )"
           R"("num_attention_heads": 1)" +
           std::string(more) + "}";
}

ModelConfig model_of(std::string_view text) {
    const TempDir directory;
    write_bytes(directory / "config.json", text);
    return read_model_config(directory.path());
}

GenerationConfig generation_of(std::string_view config, std::string_view generation) {
    const TempDir directory;
    write_bytes(directory / "config.json", config);
    if (!generation.empty()) write_bytes(directory / "generation_config.json", generation);
    return read_generation_config(directory.path(), read_model_config(directory.path()));
}

std::string error_of(std::string_view text) {
    try {
        model_of(text);
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

void check_frequencies(const Rope& rope, const std::vector<float>& divisors, const std::vector<double>& expected) {
    REQUIRE(divisors.size() == expected.size());
    REQUIRE(rope.rotary_dim == static_cast<std::int64_t>(2 * expected.size()));
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(rope.rotary_dim);
        CHECK(1 / (divisors[i] * std::pow(rope.theta, exponent)) == doctest::Approx(expected[i]).epsilon(1e-6));
    }
}

using Ids = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("a Phi-3 config with old rope keys") {
    const ModelConfig model = model_of(kTinyConfig);
    CHECK(model.architecture == "Phi3ForCausalLM");
    CHECK(model.model_type == "phi3");
    CHECK(model.vocab_size == 48);
    CHECK(model.hidden_size == 16);
    CHECK(model.intermediate_size == 24);
    CHECK(model.n_layers == 1);
    CHECK(model.n_heads == 4);
    CHECK(model.layers[0].n_kv_heads == 2);
    CHECK(model.layers[0].head_dim == 4);
    CHECK(model.max_positions == 64);
    CHECK(model.original_max_positions == 32);
    CHECK(model.layers[0].sliding_window == 16);
    CHECK(model.norm_eps == 1e-5);
    CHECK(model.hidden_act == Activation::silu);
    CHECK_FALSE(model.tie_word_embeddings);
    CHECK(model.dtype == DType::f32);
    CHECK(model.ropes[0].kind == RopeKind::longrope);
    CHECK(model.ropes[0].short_factor == std::vector<float>{1.0f, 1.5f});
    CHECK(model.ropes[0].long_factor == std::vector<float>{2.0f, 4.0f});
    CHECK_FALSE(model.ropes[0].is_static());
}

TEST_CASE("old and new spelling give the same model") {
    const std::string old_keys = config_text("Phi3ForCausalLM", R"(, "torch_dtype": "bfloat16", "rope_theta": 5e5,
        "partial_rotary_factor": 0.5, "original_max_position_embeddings": 64, "max_position_embeddings": 256,
        "rope_scaling": {"type": "su", "short_factor": [1, 1.25, 1.5, 2], "long_factor": [1, 3, 9, 27]})");
    const std::string new_keys = config_text("Phi3ForCausalLM", R"(, "dtype": "bfloat16", "rope_scaling": null,
        "original_max_position_embeddings": 64, "max_position_embeddings": 256,
        "rope_parameters": {"rope_type": "longrope", "rope_theta": 500000.0, "partial_rotary_factor": 0.5,
                            "short_factor": [1, 1.25, 1.5, 2], "long_factor": [1, 3, 9, 27]})");
    CHECK(model_of(old_keys) == model_of(new_keys));
    CHECK(model_of(old_keys).ropes[0].theta == 5e5);
    CHECK(model_of(old_keys).ropes[0].rotary_dim == 8);
    CHECK(model_of(old_keys).dtype == DType::bf16);
    // Phi-3 at times calls it yarn, too.
    std::string yarn = old_keys;
    yarn.replace(yarn.find("su"), 2, "yarn");
    CHECK(model_of(yarn) == model_of(old_keys));
}

TEST_CASE("absent keys take the architecture's defaults, null means none") {
    const ModelConfig phi3 = model_of(config_text("Phi3ForCausalLM", ""));
    CHECK(phi3.layers[0].n_kv_heads == 1);
    CHECK(phi3.max_positions == 4096);
    CHECK(phi3.original_max_positions == 4096);
    CHECK(phi3.norm_eps == 1e-5);
    CHECK(phi3.layers[0].sliding_window == 0);
    CHECK(phi3.ropes[0].theta == 10000.0);
    CHECK(phi3.ropes[0].rotary_dim == 16);
    CHECK(phi3.ropes[0].is_static());
    CHECK_FALSE(phi3.dtype.has_value());

    const ModelConfig llama = model_of(config_text("LlamaForCausalLM", R"(, "sliding_window": 7)"));
    CHECK(llama.max_positions == 2048);
    CHECK(llama.norm_eps == 1e-6);
    CHECK(llama.layers[0].sliding_window == 0);  // Llama has none, whatever the file says

    std::string mistral = config_text("MistralForCausalLM", "");
    mistral.replace(mistral.find("\"num_attention_heads\": 1"), 24, "\"num_attention_heads\": 8, \"head_dim\": 4");
    CHECK(model_of(mistral).layers[0].n_kv_heads == 8);
    CHECK(model_of(mistral).layers[0].sliding_window == 4096);
    CHECK(model_of(mistral).max_positions == 131072);
    mistral.insert(mistral.size() - 1, R"(, "sliding_window": null, "num_key_value_heads": null)");
    CHECK(model_of(mistral).layers[0].sliding_window == 0);
    CHECK(model_of(mistral).layers[0].n_kv_heads == 8);
}

TEST_CASE("the architecture comes from its name, else from the model type") {
    std::string text = config_text("LlamaForCausalLM", R"(, "model_type": "mistral", "num_key_value_heads": 1)");
    CHECK(error_of(text) ==
          "config.json: \"model_type\": expected llama, the type of LlamaForCausalLM, found \"mistral\"");
    text.replace(text.find(R"("architectures": ["LlamaForCausalLM"], )"), 39, "");
    CHECK(model_of(text).architecture == "MistralForCausalLM");
}

TEST_CASE("an explicit head dimension need not divide the width") {
    const ModelConfig model = model_of(config_text("LlamaForCausalLM", R"(, "head_dim": 32)"));
    CHECK(model.layers[0].head_dim == 32);
    CHECK(model.ropes[0].rotary_dim == 32);
    CHECK(model_of(config_text("LlamaForCausalLM", R"(, "head_dim": null)")).layers[0].head_dim == 16);
}

TEST_CASE("Llama may have biases and ties, the others may not have biases") {
    const std::string_view keys = R"(, "attention_bias": true, "mlp_bias": true, "tie_word_embeddings": true)";
    const ModelConfig model = model_of(config_text("LlamaForCausalLM", keys));
    CHECK(model.attention_bias);
    CHECK(model.mlp_bias);
    CHECK(model.tie_word_embeddings);
    CHECK(error_of(config_text("Phi3ForCausalLM", R"(, "mlp_bias": true)")) ==
          "config.json: \"mlp_bias\": expected false, since Phi3ForCausalLM has no biases there, found true");
}

TEST_CASE("longrope: both sets of frequencies and the attention factor") {
    const std::string_view keys = R"(, "max_position_embeddings": 256, "original_max_position_embeddings": 64,
        "rope_parameters": {"rope_type": "longrope", "rope_theta": 10000.0, "partial_rotary_factor": 0.5,
            "short_factor": [1.0, 1.25, 1.5, 2.0], "long_factor": [1.0, 3.0, 9.0, 27.0])";
    const Rope rope = model_of(config_text("Phi3ForCausalLM", std::string(keys) + "}")).ropes[0];
    check_frequencies(rope, rope.short_factor, {1.0, 0.0799999982, 0.00666666683, 0.000500000024});
    check_frequencies(rope, rope.long_factor, {1.0, 0.0333333351, 0.00111111114, 3.70370362e-05});
    CHECK(rope.attention_factor == doctest::Approx(1.1547005383792517).epsilon(1e-6));
    CHECK(rope.original_max_positions == 64);

    const auto factor = [&](std::string_view more) {
        return model_of(config_text("Phi3ForCausalLM", std::string(keys) + std::string(more) + "}"))
            .ropes[0]
            .attention_factor;
    };
    CHECK(factor(R"(, "attention_factor": 1.3)") == 1.3f);
    CHECK(factor(R"(, "factor": 0.5)") == 1.0f);
    CHECK(factor(R"(, "factor": 64)") == doctest::Approx(std::sqrt(2.0)).epsilon(1e-6));
}

TEST_CASE("llama3 and linear scaling") {
    const Rope llama3 = model_of(config_text("LlamaForCausalLM", R"(, "rope_theta": 500000.0, "rope_scaling":
        {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 8192})"))
                            .ropes[0];
    check_frequencies(llama3, llama3.short_factor,
                      {1.0, 0.193922758, 0.0376060307, 0.00729266508, 0.000524846022, 3.42810235e-05, 6.64786967e-06,
                       1.28917316e-06});
    CHECK(llama3.attention_factor == 1.0f);
    CHECK(llama3.is_static());

    const Rope linear = model_of(config_text("MistralForCausalLM", R"(, "num_key_value_heads": 1,
        "rope_scaling": {"type": "linear", "factor": 4.0})"))
                            .ropes[0];
    check_frequencies(linear, linear.short_factor,
                      {0.25, 0.079056941, 0.0250000004, 0.00790569466, 0.00249999994, 0.000790569466, 0.000250000012,
                       7.90569466e-05});
    CHECK(linear.is_static());
}

TEST_CASE("an odd number of turning columns is rounded up, its exponents are not") {
    const Rope rope =
        model_of(config_text("Phi3ForCausalLM", R"(, "head_dim": 10, "partial_rotary_factor": 0.5)")).ropes[0];
    check_frequencies(rope, rope.short_factor, {1.0, 0.0251188632, 0.000630957307});
}

TEST_CASE("scalings that cannot be run are refused by name") {
    const auto error = [](std::string_view architecture, std::string_view rope) {
        return error_of(config_text(architecture, R"(, "rope_scaling": )" + std::string(rope)));
    };
    CHECK(error("LlamaForCausalLM", R"({"type": "spiral", "factor": 2})") ==
          "config.json: \"rope_scaling.type\": expected one of default, linear, dynamic, yarn, llama3, longrope, found "
          "\"spiral\"");
    CHECK(error("Phi3ForCausalLM", R"({"type": "linear", "factor": 2})") ==
          "config.json: \"rope_scaling.type\": expected one of default, longrope, su, found \"linear\"");
    CHECK(error("LlamaForCausalLM", R"({"type": "linear"})") ==
          "config.json: \"rope_scaling\": expected the key \"factor\", found no such key");
    CHECK(error("LlamaForCausalLM", R"({"rope_type": "default", "partial_rotary_factor": 0.5})") ==
          "config.json: \"rope_scaling.partial_rotary_factor\": expected 1, since this architecture rotates "
          "whole heads, found 0.5");
    CHECK(
        error("LlamaForCausalLM", R"({"type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 1})") ==
        "config.json: \"rope_scaling.high_freq_factor\": expected a number larger than low_freq_factor (4), found 1");
}

TEST_CASE("generation config: ids of the file, else of the config, else of the architecture") {
    const GenerationConfig both = generation_of(kTinyConfig, kTinyGenerationConfig);
    CHECK(both.eos_token_ids == Ids{2, 7});
    CHECK(both.bos_token_id == 1);
    CHECK(both.pad_token_id == 0);
    CHECK(both.do_sample == false);
    CHECK(both.temperature == 0.7);
    CHECK(both.top_k == 40);
    CHECK(both.top_p == 0.95);
    CHECK(both.repetition_penalty == 1.1);
    CHECK_FALSE(both.min_p.has_value());

    const GenerationConfig from_config = generation_of(kTinyConfig, R"({"temperature": 1})");
    CHECK(from_config.eos_token_ids == Ids{2});
    CHECK(from_config.temperature == 1.0);
    CHECK(generation_of(kTinyConfig, "") == generation_of(kTinyConfig, "{}"));

    CHECK(generation_of(config_text("LlamaForCausalLM", ""), "").eos_token_ids == Ids{2});
    // 32000, the architecture's, is no token of this vocabulary.
    CHECK(generation_of(config_text("Phi3ForCausalLM", ""), "").eos_token_ids.empty());
    CHECK(generation_of(kTinyConfig, R"({"eos_token_id": null, "bos_token_id": null, "pad_token_id": -1})") ==
          GenerationConfig{});
}

TEST_CASE("suggestions that are out of range do not count, and are told") {
    const GenerationConfig odd =
        generation_of(kTinyConfig, R"({"eos_token_id": [2, 48], "pad_token_id": 48, "bos_token_id": "<s>", "top_k": -1,
                         "top_p": 1.5, "temperature": 0.5, "no_repeat_ngram_size": "many"})");
    CHECK(odd.eos_token_ids == Ids{2});
    CHECK_FALSE(odd.pad_token_id.has_value());
    CHECK_FALSE(odd.bos_token_id.has_value());
    CHECK_FALSE(odd.top_k.has_value());
    CHECK_FALSE(odd.top_p.has_value());
    CHECK(odd.temperature == 0.5);
    CHECK(odd.ignored ==
          std::vector<std::string>{
              "generation_config.json: \"bos_token_id\": expected a token id in [0, 48), the vocabulary, found \"<s>\"",
              "generation_config.json: \"pad_token_id\": expected a token id in [0, 48), the vocabulary, found 48",
              "generation_config.json: \"eos_token_id[1]\": expected a token id in [0, 48), the vocabulary, found 48",
              "generation_config.json: \"top_k\": expected a number in [0, 16777216], found -1",
              "generation_config.json: \"top_p\": expected a number in [0, 1], found 1.5"});
    CHECK(generation_of(kTinyConfig, R"({"top_k": 50.0})").top_k == 50);
    CHECK(generation_of(kTinyConfig, R"({"top_k": 0.5})").ignored.size() == 1);
}

TEST_CASE("keys that change the result where they are heeded are refused where they are not") {
    const auto error = [](std::string_view architecture, std::string_view keys) {
        return error_of(config_text(architecture, R"(, "num_key_value_heads": 1, )" + std::string(keys)));
    };
    CHECK(error("MistralForCausalLM", R"("layer_types": ["sliding_attention"])") ==
          "config.json: \"layer_types\": expected no such key, since it changes the result and MistralForCausalLM has "
          "nothing of the kind, found an array of 1");
    CHECK(error("MistralForCausalLM", R"("layer_types": ["full_attention"])") == "no error");
    CHECK(error("MinistralForCausalLM", R"("layer_types": ["sliding_attention"])") == "no error");
    CHECK(error("LlamaForCausalLM", R"("final_logit_softcapping": 30.0)").find("\"final_logit_softcapping\"") !=
          std::string::npos);
    CHECK(error("LlamaForCausalLM", R"("final_logit_softcapping": null, "embedding_multiplier": 1.0)") == "no error");
    CHECK(error("LlamaForCausalLM", R"("embedding_multiplier": 12)").find("\"embedding_multiplier\"") !=
          std::string::npos);
    CHECK(error("GraniteForCausalLM", R"("embedding_multiplier": 12)") == "no error");
    CHECK(error("LlamaForCausalLM", R"("is_causal": true)") == "no error");
    CHECK(error("LlamaForCausalLM", R"("is_causal": false)") != "no error");
    CHECK(error("BertModel", R"("is_causal": false)") == "no error");
    CHECK(error("BertForSequenceClassification", R"("is_causal": true)") ==
          "config.json: \"is_causal\": expected no such key, since it changes the result and "
          "BertForSequenceClassification has nothing of the kind, found true");
    CHECK(error("Gemma2ForCausalLM", R"("attn_logit_softcapping": 30.0)") == "no error");
    CHECK(error("Gemma3ForCausalLM", R"("attn_logit_softcapping": null)") == "no error");
    CHECK(error("Gemma3ForCausalLM", R"("attn_logit_softcapping": 30.0)") != "no error");
    CHECK(error("LlamaForCausalLM", R"("scale_attn_weights": true)") == "no error");
    CHECK(error("LlamaForCausalLM", R"("scale_attn_weights": false)") != "no error");
    CHECK(error("Olmo3ForCausalLM", R"("rope_parameters": {"rope_type": "default", "rope_theta": 33.0})")
              .find("an object for each type of layer") != std::string::npos);
    CHECK(error("Gemma3ForCausalLM", R"("rope_parameters": {"full_attention": {"rope_type": "default"}},
                                        "rope_scaling": {"rope_type": "linear", "factor": 2.0})")
              .find("\"rope_scaling\": expected none beside") != std::string::npos);
    CHECK(error("LlamaForCausalLM", R"("use_sliding_window": false)") == "no error");
    CHECK(error("LlamaForCausalLM", R"("use_sliding_window": true)") != "no error");
    CHECK(error("LlamaForCausalLM", R"("num_local_experts": 8)") != "no error");
    CHECK(error("LlamaForCausalLM", R"("attention_stride": 8)") != "no error");
    CHECK(error("LlamaForCausalLM", R"("model_type": "mistral")") ==
          "config.json: \"model_type\": expected llama, the type of LlamaForCausalLM, found \"mistral\"");
}

TEST_CASE("layers may have patterns, which need a stride, and fixed ones a summary") {
    const auto read = [](std::string_view keys) {
        return config_text("MinistralForCausalLM",
                           R"(, "num_key_value_heads": 1, "layer_types": )" + std::string(keys));
    };
    const LayerConfig strided = model_of(read(R"(["strided_attention"], "attention_stride": 8)")).layers[0];
    CHECK(strided.sparse_stride == 8);
    CHECK(strided.sparse_summary == 0);
    CHECK(strided.sliding_window == 0);
    const LayerConfig fixed =
        model_of(read(R"(["fixed_attention"], "attention_stride": 8, "attention_summary": 2)")).layers[0];
    CHECK(fixed.sparse_stride == 8);
    CHECK(fixed.sparse_summary == 2);
    CHECK(error_of(read(R"(["strided_attention"])")) ==
          "config.json: expected the key \"attention_stride\", found no such key");
    CHECK(error_of(read(R"(["fixed_attention"], "attention_stride": 8, "attention_summary": 9)")) ==
          "config.json: \"attention_summary\": expected an integer in [1, 8], found 9");
}

TEST_CASE("StableLM turns an even number of columns, where Phi-3 rounds an odd one up") {
    const auto with = [](std::string_view name, double share) {
        return config_text(
            name, fmt::format(R"(, "num_key_value_heads": 1, "head_dim": 20, "partial_rotary_factor": {})", share));
    };
    CHECK(model_of(with("StableLmForCausalLM", 0.3)).ropes[0].rotary_dim == 6);
    for (const double share : {0.05, 0.25, 0.75})
        CHECK(error_of(with("StableLmForCausalLM", share)) ==
              fmt::format("config.json: \"partial_rotary_factor\": expected an even number of columns of head_dim (20) "
                          "to rotate, found {}",
                          20 * share));
    CHECK(model_of(with("Phi3ForCausalLM", 0.25)).ropes[0].rotary_dim == 6);
}

TEST_CASE("Ministral 3 says how queries become larger, GPT-OSS that its experts are MXFP4") {
    const auto ministral = [](std::string_view more) {
        return config_text("Ministral3ForCausalLM",
                           R"(, "num_key_value_heads": 1, "rope_parameters": {"rope_type": "yarn", "factor": 4.0,
                              "original_max_position_embeddings": 16)" +
                               std::string(more) + "}");
    };
    const ModelConfig model = model_of(ministral(R"(, "llama_4_scaling_beta": 0.25)"));
    CHECK(model.query_scale_beta == 0.25);
    CHECK(model.original_max_positions == 16);
    CHECK(error_of(ministral("")).find("expected the key \"llama_4_scaling_beta\"") != std::string::npos);
    for (const std::string_view none : {"null", "{}"}) {  // transformers would take a rope of its own
        CAPTURE(none);
        for (const std::string_view name : {"Ministral3ForCausalLM", "GptOssForCausalLM"})
            CHECK(error_of(config_text(name, fmt::format(R"(, "num_key_value_heads": 1, "rope_parameters": {})", none)))
                      .find("\"rope_parameters\": expected an object with its keys, found ") != std::string::npos);
    }

    const auto gpt_oss = [](int width, std::string_view method) {
        std::string text = config_text("GptOssForCausalLM",
                                       fmt::format(
                                           R"(, "num_key_value_heads": 1, "rope_parameters": {{"rope_type": "default"}},
               "quantization_config": {{"quant_method": "{}"}})",
                                           method));
        text.replace(text.find("\"intermediate_size\": 24"), 23, fmt::format("\"intermediate_size\": {}", width));
        return text.replace(text.find("\"hidden_size\": 16"), 17, "\"hidden_size\": 64");
    };
    CHECK(model_of(gpt_oss(32, "mxfp4")).experts_in_blocks);
    CHECK(error_of(gpt_oss(33, "mxfp4")) ==
          "config.json: \"intermediate_size\": expected a multiple of 32, the numbers "
          "in a block of MXFP4, found 33");
    CHECK(error_of(gpt_oss(32, "fp8")).find("expected no quantization but \"quant_method\": \"mxfp4\"") !=
          std::string::npos);
}

TEST_CASE("each layer has its window and its rope") {
    using List = std::vector<std::int64_t>;
    const auto layers = [](std::string_view architecture, std::string_view keys) {
        std::string text = config_text(architecture, R"(, "num_key_value_heads": 1, )" + std::string(keys));
        text.replace(text.find("\"num_hidden_layers\": 1"), 22, "\"num_hidden_layers\": 6");
        return model_of(text);
    };
    const auto windows = [](const ModelConfig& model) {
        List out;
        for (const LayerConfig& layer : model.layers) out.push_back(layer.sliding_window);
        return out;
    };
    const auto ropes = [](const ModelConfig& model) {
        List out;
        for (const LayerConfig& layer : model.layers) out.push_back(layer.rope);
        return out;
    };
    const ModelConfig gemma3 = layers("Gemma3ForCausalLM", R"("sliding_window": 8)");
    CHECK(windows(gemma3) == List{8, 8, 8, 8, 8, 0});
    CHECK(ropes(gemma3) == List{1, 1, 1, 1, 1, 0});
    CHECK(gemma3.ropes[0].theta == 1e6);
    CHECK(gemma3.ropes[1].theta == 1e4);
    CHECK(gemma3.embedding_scale == 4.0);
    CHECK(windows(layers("Gemma3ForCausalLM", R"("sliding_window": 8, "sliding_window_pattern": 2)")) ==
          List{8, 0, 8, 0, 8, 0});
    const ModelConfig old_scaling = layers(
        "Gemma3ForCausalLM", R"("rope_local_base_freq": 5e3, "rope_scaling": {"rope_type": "linear", "factor": 8})");
    CHECK(old_scaling.ropes[0].kind == RopeKind::linear);
    CHECK(old_scaling.ropes[1].kind == RopeKind::unscaled);
    CHECK(old_scaling.ropes[1].theta == 5e3);

    CHECK(windows(layers("Gemma2ForCausalLM", R"("sliding_window": 8)")) == List{8, 0, 8, 0, 8, 0});
    CHECK(windows(layers("Olmo3ForCausalLM", R"("sliding_window": 8)")) == List{8, 8, 8, 0, 8, 8});
    CHECK(windows(layers("Qwen2ForCausalLM", R"("sliding_window": 8)")) == List(6, 0));
    CHECK(windows(layers("Qwen2ForCausalLM",
                         R"("sliding_window": 8, "use_sliding_window": true, "max_window_layers": 4)")) ==
          List{0, 0, 0, 0, 8, 8});
    CHECK(ropes(layers("SmolLM3ForCausalLM", R"("no_rope_layer_interval": 3)")) == List{0, 0, -1, 0, 0, -1});
    CHECK(ropes(layers("SmolLM3ForCausalLM", R"("no_rope_layers": [0, 1, 1, 1, 1, 0])")) == List{-1, 0, 0, 0, 0, -1});
    CHECK(layers("GPT2LMHeadModel", R"("n_embd": 16, "n_layer": 2, "n_head": 2)").ropes.empty());
    CHECK(error_of(config_text("Gemma2ForCausalLM", R"(, "num_key_value_heads": 1, "layer_types": ["diagonal"])")) ==
          "config.json: \"layer_types[0]\": expected one of full_attention, sliding_attention, "
          "strided_attention, fixed_attention, found \"diagonal\"");
    CHECK(error_of(config_text("Gemma2ForCausalLM", R"(, "num_key_value_heads": 1, "layer_types": [])")) ==
          "config.json: \"layer_types\": expected an array of 1, one for each layer, found an array of 0");
}

TEST_CASE("yarn: frequencies and attention factor") {
    const auto rope = [](std::string_view more) {
        return model_of(config_text("LlamaForCausalLM", R"(, "rope_theta": 10000.0, "max_position_embeddings": 4096,
            "rope_scaling": {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 64)" +
                                                            std::string(more) + "}"))
            .ropes[0];
    };
    check_frequencies(
        rope(""), rope("").short_factor,
        {1, 0.223994657, 0.0416666642, 0.00395284733, 0.00124999997, 0.000395284733, 0.000125000006, 3.95284733e-05});
    CHECK(rope("").attention_factor == doctest::Approx(1.2079441541679836).epsilon(1e-6));
    CHECK(rope(R"(, "attention_factor": 1.3)").attention_factor == 1.3f);
    CHECK(rope(R"(, "mscale": 1.0, "mscale_all_dim": 0.5)").attention_factor ==
          doctest::Approx(1.094179988101349).epsilon(1e-6));
    CHECK(error_of(config_text("LlamaForCausalLM", R"(, "rope_theta": 1.0, "rope_scaling": {"rope_type": "yarn",
          "factor": 8.0})"))
              .starts_with("config.json: \"rope_scaling\": expected a rope_theta above 1 for yarn (it is 1), found "));
}

TEST_CASE("names of labels: each index once as a key") {
    const auto text = [](std::string_view labels) {
        return config_text("Qwen3ForSequenceClassification",
                           fmt::format(R"(, "num_key_value_heads": 1, "id2label": {})", labels));
    };
    CHECK(model_of(text(R"({"1": "", "0": "no"})")).labels == std::vector<std::string>{"no", ""});
    for (const char* labels : {R"({"0": "", "00": "no"})", R"({"0": "a", "1x": "b"})", R"({"0": "a", "2": "b"})",
                               R"({"": "a"})", R"({"-0": "a"})", R"({"18446744073709551616": "a"})"}) {
        CAPTURE(labels);
        CHECK(error_of(text(labels)).find("expected each index in [0, ") != std::string::npos);
    }
    CHECK(error_of(text(R"({"0": "a", "1": "b", "2": "a"})")) ==
          "config.json: \"id2label.2\": expected labels that differ, found \"a\"");
}
