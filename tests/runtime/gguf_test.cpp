// Models in GGUF files: the same numbers as from the directories that they were made of.
#include "base/blocks.h"
#include "base/half.h"
#include "frontend/gguf/gguf_model.h"
#include "runtime/open_model.h"
#include "tests/frontend/gguf_files.h"
#include "tests/frontend/temp_dir.h"
#include "tests/runtime/errors.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/tiny_model.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace vitro;
using namespace vitro::test;

namespace {

constexpr std::uint32_t kF32 = 0, kQ8_0 = 8;

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    if (const std::size_t at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
    return text;
}

/// As llama.cpp's files name it.
std::string gguf_name(std::string name, std::string_view model_type) {
    name = replaced(replaced(name, "mlp.c_fc", "ffn_up"), "mlp.c_proj", "ffn_down");
    if (model_type == "gemma2" || model_type == "olmo2") {
        name = replaced(replaced(name, "post_attention_layernorm", "post_attention_norm"), "pre_feedforward_layernorm",
                        "ffn_norm");
        name = replaced(name, "post_feedforward_layernorm", "post_ffw_norm");
    }
    name = replaced(replaced(name, "self_attn.q_norm", "attn_q_norm"), "self_attn.k_norm", "attn_k_norm");
    name = replaced(replaced(replaced(name, "model.layers.", "blk."), "model.embed_tokens", "token_embd"), "model.norm",
                    "output_norm");
    name = replaced(replaced(name, "lm_head", "output"), "post_attention_layernorm", "ffn_norm");
    name = replaced(replaced(name, "input_layernorm", "attn_norm"), "self_attn.qkv_proj", "attn_qkv");
    for (const char letter : {'q', 'k', 'v'})
        name = replaced(name, fmt::format("self_attn.{}_proj", letter), fmt::format("attn_{}", letter));
    name = replaced(replaced(name, "self_attn.o_proj", "attn_output"), "mlp.down_proj", "ffn_down");
    return replaced(replaced(replaced(name, "mlp.gate_up_proj", "ffn_up"), "mlp.gate_proj", "ffn_gate"), "mlp.up_proj",
                    "ffn_up");
}

std::vector<float> numbers(const Tensor& tensor) {
    std::vector<float> values;
    dispatch_float(tensor.dtype, [&]<class T>(T) {
        for (std::int64_t i = 0; i < tensor.elements(); ++i) values.push_back(float(tensor.as<T>()[i]));
    });
    return values;
}

/// Neighbours where transformers has halves: row j * head_dim / 2 + i of a head becomes row 2 i + j.
std::vector<float> in_pairs(const std::vector<float>& rows, std::int64_t head_dim, std::int64_t width) {
    std::vector<float> out(rows.size());
    for (std::int64_t row = 0; row * width < std::ssize(rows); ++row) {
        const std::int64_t in_head = row % head_dim, i = in_head % (head_dim / 2), j = in_head / (head_dim / 2);
        const std::int64_t to = row - in_head + 2 * i + j;
        std::copy_n(rows.begin() + row * width, width, out.begin() + to * width);
    }
    return out;
}

std::string q8_0(const std::vector<float>& values) {
    std::string bytes;
    for (std::size_t at = 0; at < values.size(); at += 32) {
        float largest = 0;
        for (std::size_t i = 0; i < 32; ++i) largest = std::max(largest, std::abs(values[at + i]));
        const f16 scale(largest / 127);
        bytes += little_endian(scale.bits);
        for (std::size_t i = 0; i < 32; ++i)
            bytes += static_cast<char>(
                largest == 0 ? 0 : std::lround(std::clamp(values[at + i] / float(scale), -127.0f, 127.0f)));
    }
    return bytes;
}

std::vector<float> from_q8_0(const std::string& bytes, std::size_t count) {
    std::vector<float> values(count);
    dequantize(DType::q8_0, reinterpret_cast<const std::byte*>(bytes.data()), static_cast<std::int64_t>(count),
               values.data());
    return values;
}

enum class Kind { f32, q8_0, rounded };  // rounded: f32 of what q8_0 stands for

/// Whether llama.cpp has the rows of q and k in pairs.
bool has_pairs(std::string_view model_type) {
    return model_type == "llama" || model_type == "granite" || model_type == "smollm3";
}

/// A directory's model as a GGUF file.
void write_gguf(const std::filesystem::path& to, const std::filesystem::path& directory, Kind kind) {
    const ModelConfig config = read_model_config(directory);
    const bool is_gemma = config.model_type == "gemma2";
    const std::string prefix = config.model_type + ".";
    const auto size = [](std::int64_t n) { return static_cast<std::uint32_t>(n); };
    const auto real = [&](std::string_view key, double value) {
        return gguf_key(prefix + std::string(key), GgufType::f32, little_endian(static_cast<float>(value)));
    };
    GgufBytes file;
    file.keys = {gguf_key("general.architecture", config.model_type),
                 gguf_key(prefix + "vocab_size", size(config.vocab_size)),
                 gguf_key(prefix + "context_length", size(config.max_positions)),
                 gguf_key(prefix + "embedding_length", size(config.hidden_size)),
                 gguf_key(prefix + "block_count", size(config.n_layers)),
                 gguf_key(prefix + "feed_forward_length", size(config.intermediate_size)),
                 gguf_key(prefix + "attention.head_count", size(config.n_heads)),
                 gguf_key(prefix + "attention.head_count_kv", size(config.layers[0].n_kv_heads)),
                 gguf_key(prefix + "attention.key_length", size(config.layers[0].head_dim)),
                 gguf_key(prefix + "attention.sliding_window", size(config.layers[0].sliding_window)),
                 gguf_key(prefix + "rope.dimension_count", size(config.ropes[0].rotary_dim)),
                 real("rope.freq_base", config.ropes[0].theta),
                 real("attention.layer_norm_rms_epsilon", config.norm_eps),
                 real("attention.layer_norm_epsilon", config.norm_eps),
                 gguf_key("tokenizer.ggml.bos_token_id", 1),
                 gguf_key("tokenizer.ggml.eos_token_id", 2)};
    if (is_gemma) file.keys.push_back(real("attn_logit_softcapping", config.attention_softcap));
    if (is_gemma) file.keys.push_back(real("final_logit_softcapping", config.logit_softcap));
    if (config.model_type == "granite")
        for (const auto& [key, value] :
             {std::pair("embedding_scale", config.embedding_scale), std::pair("residual_scale", config.residual_scale),
              std::pair("attention.scale", config.attention_scale), std::pair("logit_scale", 1 / config.logit_scale)})
            file.keys.push_back(real(key, value));
    Checkpoint checkpoint = Checkpoint::open(directory);
    for (const std::string& name : checkpoint.names()) {
        const Tensor tensor = checkpoint.tensor(name);
        std::vector<float> values = numbers(tensor);
        if (config.norm_from_one && tensor.rank == 1)
            for (float& value : values) value = 1 + value;
        const bool is_projection = name.find("q_proj") != std::string::npos || name.find("k_proj") != std::string::npos;
        if (is_projection && has_pairs(config.model_type))
            values = in_pairs(values, config.layers[0].head_dim, tensor.rank == 1 ? 1 : tensor.dim(1));
        GgufTensorBytes entry{
            .name = gguf_name(name, config.model_type), .dims = {}, .type = kF32, .offset = file.data.size()};
        for (int i = tensor.rank; i > 0; --i) entry.dims.push_back(tensor.dim(i - 1));
        std::string bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
        if (kind != Kind::f32 && tensor.rank == 2) {
            bytes = q8_0(values);
            entry.type = kQ8_0;
            if (kind == Kind::rounded) {
                values = from_q8_0(bytes, values.size());
                bytes.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
                entry.type = kF32;
            }
        }
        file.tensors.push_back(entry);
        file.data += bytes;
        file.data.resize((file.data.size() + 31) / 32 * 32);
    }
    write_bytes(to, file.bytes());
}

std::vector<float> logits(const std::filesystem::path& model, bool exact = false) {
    const std::vector<std::int32_t> tokens{5, 17, 3, 60, 9, 31, 2, 44, 8};
    return LoadedModel(model, {.context = 64, .passes = {.exact = exact}}).feed(tokens);
}

std::size_t count_ops(const Program& program, std::string_view op) {
    return static_cast<std::size_t>(std::count_if(program.graph.nodes.begin(), program.graph.nodes.end(),
                                                  [&](const Node& node) { return node.op->name == op; }));
}

}  // namespace

TEST_CASE("a GGUF file gives the logits, bit for bit, of the directory it was made of") {
    const TempDir directory;
    for (const std::string name :
         {"llama_gqa_tied", "llama_head_dim", "llama_bias", "phi3_gqa", "phi3_partial_rotary", "phi3_window",
          "qwen3_norms", "gemma2", "granite", "smollm3_no_rope", "olmo2", "stablelm", "starcoder2"}) {
        CAPTURE(name);
        const auto golden = directory / name, file = directory / (name + ".gguf");
        std::filesystem::copy(source_path("tests/golden/" + name), golden);
        if (name == "gemma2")  // llama.cpp's files have it from the head size
            edit(golden / "config.json", "\"query_pre_attn_scalar\": 8", "\"query_pre_attn_scalar\": 16");
        for (const auto& [in_f64, in_f32] :
             {std::pair("0.2", "0.25"), std::pair("0.7", "0.75"), std::pair("0.4", "0.5")})
            if (name == "granite") edit(golden / "config.json", in_f64, in_f32);
        if (name == "smollm3_no_rope") edit(golden / "config.json", "1,\n    0,\n    1", "1,\n    1,\n    1");
        write_gguf(file, golden, Kind::f32);
        ModelConfig config = read_model_config(file), expected = read_model_config(golden);
        CHECK(config.paired_rows == has_pairs(config.model_type));
        config.paired_rows = false;
        config.norm_eps = static_cast<float>(config.norm_eps);
        expected.norm_eps = static_cast<float>(expected.norm_eps);
        expected.dtype.reset();
        expected.norm_from_one = false;
        expected.original_max_positions = config.original_max_positions = 0;
        expected.ropes[0].original_max_positions = config.ropes[0].original_max_positions = 0;
        CHECK(config == expected);
        CHECK(logits(file, true) == logits(golden, true));
    }
}

TEST_CASE(
    "a GGUF file with block-quantized weights gives the logits of the numbers that they stand for, exact or near") {
    const TempDir directory;
    const auto bundled = source_path("models/bundled/tiny-phi3");
    write_gguf(directory / "q8_0.gguf", bundled, Kind::q8_0);
    write_gguf(directory / "f32.gguf", bundled, Kind::rounded);
    CHECK(Checkpoint::open(directory / "q8_0.gguf").at("model.embed_tokens.weight").dtype == DType::q8_0);
    const std::vector<float> expected = logits(directory / "f32.gguf"), near = logits(directory / "q8_0.gguf");
    CHECK(logits(directory / "q8_0.gguf", true) == expected);
    CHECK(nmse(near, expected) < 1e-3);
    CHECK(near != expected);
    CHECK(expected != logits(bundled));
}

TEST_CASE("block-quantized weights stay blocks, and activations are rounded once for all that read them") {
    const TempDir directory;
    write_gguf(directory / "x.gguf", source_path("models/bundled/tiny-phi3"), Kind::q8_0);
    const ModelConfig config = read_model_config(directory / "x.gguf");
    for (const bool exact : {false, true}) {
        const LoadedModel loaded(directory / "x.gguf", {.context = 64, .passes = {.exact = exact}});
        for (const Phase phase : {Phase::prefill, Phase::decode}) {
            const Program& program = loaded.model.program(phase);
            for (const ValueId id : program.graph.values_of(ValueKind::weight)) {
                const ValueInfo& weight = program.graph.value(id);
                CHECK_MESSAGE(((weight.type.rank() == 1) == (weight.type.dtype == DType::f32)), weight.path);
            }
            // Of what enters qkv, o, gate and up, down, and the head.
            const auto rounded = static_cast<std::size_t>(4 * config.n_layers + 1);
            CHECK(count_ops(program, "quantize_activations") == (exact ? 0 : rounded));
            CHECK(count_ops(program, "dequantize") == 0);
        }
    }
}

TEST_CASE("what a GGUF file lacks for a model is an error that names the key or the tensor") {
    const TempDir directory;
    const auto error_of = [&](const std::vector<std::string>& keys) -> std::string {
        GgufBytes file;
        file.keys = keys;
        write_bytes(directory / "x.gguf", file.bytes());
        try {
            open_model(directory / "x.gguf", {.device = "cpu"});
        } catch (const Error& error) {
            return error.what();
        }
        return "(no error)";
    };
    const std::string llama = gguf_key("general.architecture", "llama");
    CHECK(error_of({}) == "x.gguf: expected the key \"general.architecture\", found no such key");
    CHECK(error_of({gguf_key("general.architecture", "mamba")}) ==
          "x.gguf: \"general.architecture\": expected one of bert, gemma2, gemma3, gpt-oss, granite, llama, mistral3, "
          "olmo2, "
          "phi3, qwen2, qwen3, qwen3moe, smollm3, stablelm, starcoder2, found \"mamba\"");
    CHECK(error_of({llama, gguf_key("llama.vocab_size", 10)}) ==
          "x.gguf: expected the key \"llama.embedding_length\", found no such key");
    CHECK(error_of({llama, gguf_key("llama.vocab_size", 0)}) ==
          "x.gguf: \"llama.vocab_size\": expected an integer in [1, 16777216], found 0");
    CHECK(error_of({llama, gguf_key("llama.block_count", 0)}) ==
          "x.gguf: \"llama.block_count\": expected an integer in [1, 1073741824], found 0");
    CHECK(
        error_of({llama, gguf_key("llama.context_length", "long")}).starts_with("x.gguf: \"llama.context_length\": "));
    const std::vector<std::string> whole{llama,
                                         gguf_key("llama.vocab_size", 10),
                                         gguf_key("llama.embedding_length", 8),
                                         gguf_key("llama.block_count", 1),
                                         gguf_key("llama.feed_forward_length", 8),
                                         gguf_key("llama.attention.head_count", 2),
                                         gguf_key("tokenizer.ggml.bos_token_id", 1)};
    CHECK(error_of(whole) == "x.gguf: expected the tensor \"model.embed_tokens.weight\", found no such tensor");
    // Keys that change the result are refused where nothing is known of them, unless they say what is so anyway.
    const auto real = [](std::string_view key, float value) {
        return gguf_key(std::string(key), GgufType::f32, little_endian(value));
    };
    for (const std::string& key :
         {real("llama.attention.clamp_kqv", 8), real("llama.logit_scale", 0.5f),
          gguf_key("llama.expert_shared_count", 1), real("llama.final_logit_softcapping", 30)}) {
        std::vector<std::string> changed = whole;
        changed.push_back(key);
        CHECK(error_of(changed).find(", since vitro's llama is computed without it, found ") != std::string::npos);
    }
    std::vector<std::string> neutral = whole;
    neutral.push_back(real("llama.logit_scale", 1));
    neutral.push_back(gguf_key("llama.expert_shared_count", 0));
    CHECK(error_of(neutral) == error_of(whole));
    std::vector<std::string> odd = whole;
    odd.push_back(gguf_key("llama.rope.dimension_count", 5));
    CHECK(error_of(odd) == "x.gguf: \"llama.rope.dimension_count\": expected an integer in [1, 4], found 5");
}

TEST_CASE("what only some architectures have becomes what config.json says of it") {
    const TempDir directory;
    const auto real = [](std::string_view key, float value) {
        return gguf_key(std::string(key), GgufType::f32, little_endian(value));
    };
    const auto config_of = [&](std::string_view architecture, const std::vector<std::string>& more) {
        const auto key = [&](std::string_view name, std::uint32_t value) {
            return gguf_key(fmt::format("{}.{}", architecture, name), value);
        };
        GgufBytes file;
        file.keys = {gguf_key("general.architecture", std::string(architecture)),
                     key("vocab_size", 10),
                     key("embedding_length", 8),
                     key("block_count", 4),
                     key("feed_forward_length", 8),
                     key("attention.head_count", 2)};
        for (const std::string& each : more) file.keys.push_back(each);
        write_bytes(directory / "x.gguf", file.bytes());
        return gguf_config(GgufFile::open(directory / "x.gguf"));
    };
    const auto refusal_of = [&](std::string_view architecture, const std::vector<std::string>& more) -> std::string {
        try {
            config_of(architecture, more);
        } catch (const Error& error) {
            return error.what();
        }
        return "(no error)";
    };
    const std::string yarn = gguf_key("mistral3.rope.scaling.type", "yarn"),
                      by = real("mistral3.rope.scaling.factor", 8),
                      beta = real("mistral3.attention.temperature_scale", 0.5f);
    const JsonValue ministral =
        config_of("mistral3", {yarn, by, beta, real("mistral3.rope.scaling.yarn_log_multiplier", 0.5f),
                               real("mistral3.rope.scaling.yarn_beta_fast", 16)});
    CHECK(ministral.at("architectures").array()[0].string() == "Ministral3ForCausalLM");
    const JsonValue scaling = ministral.at("rope_scaling");
    CHECK(scaling.at("factor").number() == 8);
    CHECK(scaling.at("llama_4_scaling_beta").number() == 0.5);
    CHECK(scaling.at("mscale").number() == 1);
    CHECK(scaling.at("mscale_all_dim").number() == 0.5);
    CHECK(scaling.at("beta_fast").number() == 16);
    CHECK(config_of("mistral3", {yarn, by}).at("architectures").array()[0].string() == "MistralForCausalLM");
    CHECK(refusal_of("mistral3", {beta}).find("expected rope.scaling.type and rope.scaling.factor beside it") !=
          std::string::npos);

    const std::string window = gguf_key("olmo2.attention.sliding_window", 4);
    const JsonValue olmo =
        config_of("olmo2", {window, real("olmo2.rope.freq_base", 500), real("olmo2.rope.freq_base_swa", 100),
                            gguf_key("olmo2.attention.sliding_window_pattern", 2)});
    CHECK(olmo.at("architectures").array()[0].string() == "Olmo3ForCausalLM");
    CHECK(olmo.at("rope_parameters").at("full_attention").at("rope_theta").number() == 500);
    CHECK(olmo.at("rope_parameters").at("sliding_attention").at("rope_theta").number() == 100);
    CHECK(olmo.at("layer_types").array()[0].string() == "sliding_attention");
    CHECK(olmo.at("layer_types").array()[1].string() == "full_attention");
    CHECK(config_of("olmo2", {}).at("architectures").array()[0].string() == "Olmo2ForCausalLM");

    CHECK(config_of("llama", {real("llama.rope.scale_linear", 4)}).at("rope_scaling").at("rope_type").string() ==
          "linear");
    CHECK(refusal_of("llama", {gguf_key("llama.rope.scaling.type", "yarn"), real("llama.rope.scaling.factor", 8),
                               real("llama.rope.scaling.attn_factor", 0.5f)})
              .find("expected 1 without factors of rope as tensors") != std::string::npos);
    CHECK(config_of("granite", {real("granite.embedding_scale", 0)}).find("embedding_multiplier") == std::nullopt);
    CHECK(refusal_of("gemma3",
                     {gguf_key("gemma3.attention.key_length", 4), gguf_key("gemma3.attention.key_length_swa", 2)})
              .find("expected 4, as attention.key_length is") != std::string::npos);
    CHECK(refusal_of("gemma3", {gguf_key("gemma3.attention.sliding_window", 0)}).find("expected at least 1") !=
          std::string::npos);
    CHECK(config_of("granite", {}).at("attention_multiplier").number() == 0.5);
    CHECK(config_of("stablelm", {}).at("use_parallel_residual").boolean());  // there is no ffn_norm
}
