#include "frontend/gguf/gguf_model.h"

#include "base/error.h"
#include "base/json_text.h"
#include "frontend/gguf/gguf_names.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;

struct KnownArchitecture {
    std::string_view gguf;          // "general.architecture"
    std::string_view transformers;  // "architectures" of config.json
    bool has_paired_rows = false;
};

constexpr std::array<KnownArchitecture, 15> kArchitectures{{
    {"bert", "BertModel"},
    {"gemma2", "Gemma2ForCausalLM"},
    {"gemma3", "Gemma3ForCausalLM"},
    {"gpt-oss", "GptOssForCausalLM"},
    {"granite", "GraniteForCausalLM", true},
    {"llama", "LlamaForCausalLM", true},
    {"mistral3", "Ministral3ForCausalLM", true},
    {"olmo2", "Olmo2ForCausalLM"},
    {"phi3", "Phi3ForCausalLM"},
    {"qwen2", "Qwen2ForCausalLM"},
    {"qwen3", "Qwen3ForCausalLM"},
    {"qwen3moe", "Qwen3MoeForCausalLM"},
    {"smollm3", "SmolLM3ForCausalLM", true},
    {"stablelm", "StableLmForCausalLM"},
    {"starcoder2", "Starcoder2ForCausalLM"},
}};

const KnownArchitecture& architecture_of(const GgufFile& file) {
    const GgufValue& value = file.at("general.architecture");
    std::string names;
    for (const KnownArchitecture& known : kArchitectures) {
        if (known.gguf == value.string()) return known;
        names += (names.empty() ? "" : ", ") + std::string(known.gguf);
    }
    value.refuse("one of " + names);
}

/// Keys that say the same in both, "ARCHITECTURE." before the first.
constexpr std::array<Renamed, 10> kIntegers{{
    {"context_length", "max_position_embeddings"},
    {"embedding_length", "hidden_size"},
    {"block_count", "num_hidden_layers"},
    {"feed_forward_length", "intermediate_size"},
    {"attention.head_count", "num_attention_heads"},
    {"attention.head_count_kv", "num_key_value_heads"},
    {"attention.key_length", "head_dim"},
    {"expert_count", "num_experts"},
    {"expert_used_count", "num_experts_per_tok"},
    {"expert_feed_forward_length", "moe_intermediate_size"},
}};

/// A tensor of factors of rope.
std::vector<float> factors(const GgufFile& file, std::string_view name) {
    const TensorView* view = file.find(name);
    if (view->dtype != DType::f32 || view->shape.size() != 1)
        fail("{}: tensor {}: expected f32 of one dimension, found {}", file.name(), quote(name),
             vitro::name(view->dtype));
    std::vector<float> values(view->bytes / sizeof(float));
    std::memcpy(values.data(), view->data, view->bytes);
    return values;
}

/// "rope_scaling", null where rope is not scaled.
Json rope_scaling(const GgufFile& file, const std::string& prefix) {
    const auto given = [&](std::string_view key) { return file.find_key(prefix + std::string(key)); };
    const GgufValue *type = given("rope.scaling.type"), *factor = given("rope.scaling.factor"),
                    *attention = given("rope.scaling.attn_factor");
    if (factor == nullptr) factor = given("rope.scale_linear");  // as older files call it
    if (file.entry("rope_factors_short.weight") != nullptr && file.entry("rope_factors_long.weight") != nullptr) {
        Json scaling{{"rope_type", "longrope"},
                     {"short_factor", factors(file, "rope_factors_short.weight")},
                     {"long_factor", factors(file, "rope_factors_long.weight")}};
        if (attention != nullptr) scaling["attention_factor"] = attention->number();
        return scaling;
    }
    const bool is_scaled = factor != nullptr && factor->number() != 0 && factor->number() != 1 &&
                           (type == nullptr || type->string() != "none");
    if (attention != nullptr && attention->number() != 1) attention->refuse("1 without factors of rope as tensors");
    if (file.entry("rope_freqs.weight") != nullptr) {
        if (is_scaled) factor->refuse("1 beside the tensor rope_freqs.weight, which scales rope by itself");
        const std::vector<float> divisors = factors(file, "rope_freqs.weight");
        return {
            {"rope_type", "longrope"}, {"short_factor", divisors}, {"long_factor", divisors}, {"attention_factor", 1}};
    }
    if (type == nullptr ? !is_scaled : type->string() == "none") return nullptr;
    Json scaling{{"rope_type", type == nullptr ? "linear" : type->string()}};
    if (factor != nullptr) scaling["factor"] = factor->number() == 0 ? 1 : factor->number();
    for (const auto& [gguf, transformers] :
         {Renamed{"yarn_beta_fast", "beta_fast"}, Renamed{"yarn_beta_slow", "beta_slow"}})
        if (const GgufValue* beta = given(fmt::format("rope.scaling.{}", gguf))) scaling[transformers] = beta->number();
    if (const GgufValue* by = given("rope.scaling.yarn_log_multiplier")) {
        scaling["mscale"] = 1;
        scaling["mscale_all_dim"] = by->number();
    }
    // "attention_factor" of config.json, which llama.cpp computes where the file says 1.
    if (const GgufValue* by = given("rope.scaling.yarn_attn_factor"); by != nullptr && by->number() != 1)
        scaling["attention_factor"] = by->number();
    if (const GgufValue* scale = given("attention.temperature_scale"))
        scaling["llama_4_scaling_beta"] = scale->number();
    if (prefix == "gpt-oss.") scaling["truncate"] = false;  // as it was trained; the files have no key for it
    return scaling;
}

/// Of Gemma, what llama.cpp knows by itself and what its files say of softcaps. Its largest models divide q·k by
/// sqrt(width / heads), the others by sqrt(head_dim).
void add_gemma(const GgufFile& file, const std::string& prefix, Json& config) {
    const std::int64_t layers = config["num_hidden_layers"], width = config["hidden_size"],
                       heads = config["num_attention_heads"];
    const bool is_largest = layers == (prefix == "gemma2." ? 46 : 62);
    if (is_largest)
        config["query_pre_attn_scalar"] = width / heads;
    else if (config.contains("head_dim"))
        config["query_pre_attn_scalar"] = config["head_dim"];
    if (const GgufValue* base = file.find_key(prefix + "rope.freq_base_swa"); base != nullptr && prefix == "gemma3.")
        config["rope_local_base_freq"] = base->number(1e-3, 1e12);
    if (prefix != "gemma2.") return;
    for (const std::string_view key : {"attn_logit_softcapping", "final_logit_softcapping"})
        if (const GgufValue* cap = file.find_key(prefix + std::string(key))) config[key] = cap->number(1e-3, 1e6);
}

/// Error for keys that change the result and that the equations of `architecture` know nothing of, unless they say what
/// is so without them.
void refuse_unknown(const GgufFile& file, std::string_view architecture) {
    struct Row {
        std::string_view key;
        double neutral[2];
        std::string_view understood_by{};
    };
    constexpr Row kRows[] = {
        {"attention.clamp_kqv", {0, 0}},
        {"attention.max_alibi_bias", {0, 0}},
        {"attention.scale", {0, 0}, "granite"},
        {"attention.temperature_scale", {0, 0}, "mistral3"},
        {"attn_logit_softcapping", {0, 0}, "gemma2"},
        {"embedding_scale", {0, 1}, "granite"},
        {"expert_shared_count", {0, 0}},
        {"expert_weights_scale", {0, 1}},
        {"final_logit_softcapping", {0, 0}, "gemma2"},
        {"leading_dense_block_count", {0, 0}},
        {"logit_scale", {0, 1}, "granite"},
        {"residual_scale", {0, 1}, "granite"},
        {"rope.scaling.yarn_ext_factor", {-1, 1}},
        {"router_logit_softcapping", {0, 0}},
    };
    const auto given = [&](std::string_view key) { return file.find_key(fmt::format("{}.{}", architecture, key)); };
    for (const auto& [key, neutral, understood_by] : kRows)
        if (const GgufValue* value = understood_by == architecture ? nullptr : given(key))
            if (const double number = value->number(); number != neutral[0] && number != neutral[1])
                value->refuse(fmt::format("{}, since vitro's {} is computed without it", neutral[1], architecture));
    // What layers with a window, or values, could have otherwise than the rest.
    for (const auto& [own, common] : {std::pair("attention.value_length", "attention.key_length"),
                                      std::pair("attention.key_length_swa", "attention.key_length"),
                                      std::pair("attention.value_length_swa", "attention.key_length"),
                                      std::pair("rope.dimension_count_swa", "rope.dimension_count")})
        if (const GgufValue* value = given(own), *same = given(common); value != nullptr && same != nullptr)
            if (value->integer() != same->integer())
                value->refuse(fmt::format("{}, as {} is", same->integer(), common));
    const GgufValue *causal = given("attention.causal"), *parallel = given("use_parallel_residual");
    if (causal != nullptr && causal->boolean() == (architecture == "bert"))
        causal->refuse(architecture == "bert" ? "false, since an encoder's tokens see all others" : "true");
    const GgufValue* turns = given("rope.scaling.finetuned");
    if (architecture == "granite" && turns != nullptr && !turns->boolean())  // llama.cpp's switch
        turns->refuse("true, since Granite's layers have rope");
    if (architecture != "stablelm" && parallel != nullptr && parallel->boolean()) parallel->refuse("false");
}

/// Numbers that not every architecture has, or under a name of its own.
constexpr std::array<RenamedIn, 7> kOwnNumbers{{
    {"bert", "attention.layer_norm_epsilon", "layer_norm_eps"},
    {"granite", "embedding_scale", "embedding_multiplier"},
    {"granite", "residual_scale", "residual_multiplier"},
    {"granite", "attention.scale", "attention_multiplier"},
    {"granite", "logit_scale", "logits_scaling"},
    {"stablelm", "attention.layer_norm_epsilon", "layer_norm_eps"},
    {"starcoder2", "attention.layer_norm_epsilon", "norm_epsilon"},
}};

/// What else one architecture has and the others do not.
void add_own(const GgufFile& file, std::string_view architecture, std::int64_t head_dim, Json& config) {
    const auto given = [&](std::string_view key) { return file.find_key(fmt::format("{}.{}", architecture, key)); };
    for (const auto& [own, gguf, transformers] : kOwnNumbers)
        if (own == architecture)
            if (const GgufValue* value = given(gguf); value != nullptr && value->number(0, 1e6) != 0)  // 0: not there
                config[transformers] = value->number();
    const auto has = [&](std::string_view tensor) { return file.entry(tensor) != nullptr; };
    if (architecture == "granite" && !config.contains("attention_multiplier"))
        config["attention_multiplier"] = 1 / std::sqrt(static_cast<double>(head_dim));
    if (architecture == "bert") {
        const GgufValue* types = file.find_key("tokenizer.ggml.token_type_count");
        config["type_vocab_size"] = types == nullptr ? 1 : types->integer(1, 1 << 20);
    }
    if (architecture == "smollm3") config["no_rope_layer_interval"] = 4;
    if (architecture == "stablelm") {
        config["use_qkv_bias"] = has("blk.0.attn_q.bias");
        config["qk_layernorm"] = has("blk.0.attn_q_norm.weight");
        config["use_parallel_residual"] = !has("blk.0.ffn_norm.weight");  // the key says true of others, too
    }
    if (architecture == "starcoder2") config["use_bias"] = has("blk.0.attn_output.bias");
    if (architecture == "olmo2" && config.contains("sliding_window")) {  // OLMo 3, whose window has a rope of its own
        Json local{{"rope_type", "default"}}, full = config.value("rope_scaling", Json{{"rope_type", "default"}});
        if (config.contains("rope_theta")) local["rope_theta"] = full["rope_theta"] = config["rope_theta"];
        if (const GgufValue* base = given("rope.freq_base_swa")) local["rope_theta"] = base->number(1e-3, 1e12);
        config.erase("rope_scaling");
        config["rope_parameters"] = {{"full_attention", full}, {"sliding_attention", local}};
    }
    // Without a scale of the queries it is Mistral, where the layers have no window.
    const GgufValue* by_position = architecture == "mistral3" ? given("attention.temperature_scale") : nullptr;
    if (by_position != nullptr && !config.contains("rope_scaling"))
        by_position->refuse("rope.scaling.type and rope.scaling.factor beside it");
    if (architecture == "mistral3" && by_position == nullptr) {
        config["architectures"] = {"MistralForCausalLM"};
        config["sliding_window"] = nullptr;
    }
}

/// Which layers see the window only: said of each, or of every so many one that does not.
void add_pattern(const GgufValue& pattern, Json& config) {
    constexpr std::int64_t kMostLayers = 1 << 16;
    const std::int64_t layers = config.value("num_hidden_layers", std::int64_t{0});
    if (layers > kMostLayers) return;  // that many are refused where they are counted
    const std::vector<std::int64_t> of_each =
        pattern.is_array() ? pattern.integers() : std::vector<std::int64_t>{pattern.integer(0, 1 << 20)};
    if (pattern.is_array() && std::ssize(of_each) != layers)
        pattern.refuse(fmt::format("a value for each of {} layers", layers));
    Json types = Json::array();
    for (std::int64_t i = 0; i < layers; ++i) {
        const bool slides = pattern.is_array() ? of_each[static_cast<std::size_t>(i)] != 0
                                               : of_each[0] == 0 || i % of_each[0] < of_each[0] - 1;
        types.push_back(slides ? "sliding_attention" : "full_attention");
    }
    config["layer_types"] = types;
}

void add_tokens(const GgufFile& file, Json& config) {
    const auto id = [&](std::string_view key) -> Json {
        const GgufValue* value = file.find_key(key);
        return value == nullptr ? Json(nullptr) : Json(value->integer());
    };
    config["bos_token_id"] = id("tokenizer.ggml.bos_token_id");
    config["pad_token_id"] = id("tokenizer.ggml.padding_token_id");
    Json ends = Json::array();
    for (const std::string_view key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
        const Json end = id(key);
        if (!end.is_null() && std::find(ends.begin(), ends.end(), end) == ends.end()) ends.push_back(end);
    }
    config["eos_token_id"] = ends;
}

}  // namespace

bool has_paired_rows(const GgufFile& file) { return architecture_of(file).has_paired_rows; }

JsonValue gguf_config(const GgufFile& file) {
    const KnownArchitecture& known = architecture_of(file);
    const std::string prefix = std::string(known.gguf) + ".";
    const auto given = [&](std::string_view key) { return file.find_key(prefix + std::string(key)); };
    refuse_unknown(file, known.gguf);
    const GgufValue* window = given("attention.sliding_window");
    const bool has_window = window != nullptr && window->integer() > 0;
    if (window != nullptr && !has_window && (known.gguf.starts_with("gemma") || known.gguf == "gpt-oss"))
        window->refuse("at least 1, since some of its layers have a window");
    const GgufValue* experts = given("expert_count");
    // Mistral is Llama with a window, Mixtral with experts; OLMo 3 is OLMo 2 with one.
    const std::string_view architecture = known.gguf == "olmo2" && has_window            ? "Olmo3ForCausalLM"
                                          : known.gguf != "llama"                        ? known.transformers
                                          : experts != nullptr && experts->integer() > 0 ? "MixtralForCausalLM"
                                          : has_window                                   ? "MistralForCausalLM"
                                                                                         : known.transformers;
    Json config{{"architectures", {architecture}}};
    for (const auto& [gguf, transformers] : kIntegers)
        if (const GgufValue* value = given(gguf)) {
            const bool is_none = gguf.starts_with("expert_") && value->integer() == 0;  // of models without experts
            if (!is_none) config[transformers] = value->integer(1, std::int64_t{1} << 30);
        }
    if (const GgufValue* eps = given("attention.layer_norm_rms_epsilon")) config["rms_norm_eps"] = eps->number(0, 1);
    if (has_window) config["sliding_window"] = window->integer();
    const GgufValue* vocabulary = given("vocab_size");
    config["vocab_size"] = vocabulary != nullptr ? vocabulary->integer(1, std::int64_t{1} << 24)
                                                 : static_cast<std::int64_t>(file.at("tokenizer.ggml.tokens").size());
    config["tie_word_embeddings"] = file.entry("output.weight") == nullptr;
    if (known.gguf != "bert" && known.gguf != "stablelm" &&
        known.gguf != "starcoder2") {  // these have words of their own
        config["attention_bias"] = file.entry("blk.0.attn_output.bias") != nullptr;
        config["mlp_bias"] = file.entry("blk.0.ffn_down.bias") != nullptr;
    }

    if (known.gguf != "qwen3moe" && config.contains("moe_intermediate_size")) {  // the others have no other layers
        config["intermediate_size"] = config["moe_intermediate_size"];
        config.erase("moe_intermediate_size");
    }
    if (known.gguf == "qwen3moe") config["norm_topk_prob"] = true;  // llama.cpp knows no other

    if (known.gguf.starts_with("gemma")) {
        for (const std::string_view key : {"block_count", "attention.head_count", "embedding_length"})
            file.at(prefix + std::string(key));
        add_gemma(file, prefix, config);
    }

    if (const GgufValue* base = given("rope.freq_base")) config["rope_theta"] = base->number(1e-3, 1e12);
    if (const Json scaling = rope_scaling(file, prefix); !scaling.is_null()) config["rope_scaling"] = scaling;
    if (const GgufValue* original = given("rope.scaling.original_context_length"))
        config["original_max_position_embeddings"] = original->integer(1, std::int64_t{1} << 30);
    const std::int64_t width = file.at(prefix + "embedding_length").integer(1, std::int64_t{1} << 30);
    const std::int64_t heads = file.at(prefix + "attention.head_count").integer(1, std::int64_t{1} << 30);
    const std::int64_t head_dim = config.contains("head_dim") ? config["head_dim"].get<std::int64_t>() : width / heads;
    if (const GgufValue* turned = given("rope.dimension_count"); turned != nullptr && head_dim > 0)
        // Half a column more, so that the product with head_dim, which is rounded down, is never one too few.
        config["partial_rotary_factor"] =
            std::min(1.0, (static_cast<double>(turned->integer(1, head_dim)) + 0.5) / static_cast<double>(head_dim));
    const bool may_have_pattern = known.gguf.starts_with("gemma") || known.gguf == "gpt-oss" || known.gguf == "olmo2";
    if (const GgufValue* pattern = given("attention.sliding_window_pattern"); pattern && has_window && may_have_pattern)
        add_pattern(*pattern, config);
    add_own(file, known.gguf, head_dim, config);
    add_tokens(file, config);
    return JsonValue::parse(json_text(config), file.name());
}

GgufVocabulary gguf_vocabulary(const GgufFile& file) {
    const auto given = [&](std::string_view key) { return file.find_key("tokenizer.ggml." + std::string(key)); };
    GgufVocabulary out;
    out.model = file.at("tokenizer.ggml.model").string();
    out.tokens = file.at("tokenizer.ggml.tokens").strings();
    if (const GgufValue* value = given("pre")) out.pre = value->string();
    if (const GgufValue* value = file.find_key("general.name")) out.model_name = value->string();
    if (const GgufValue* value = given("merges")) out.merges = value->strings();
    if (const GgufValue* value = given("scores"))
        for (const double score : value->numbers()) out.scores.push_back(static_cast<float>(score));
    if (const GgufValue* value = given("token_type"))
        for (const std::int64_t type : value->integers())
            out.token_types.push_back(static_cast<std::int32_t>(std::clamp<std::int64_t>(type, 0, 1000)));
    const auto set_id = [&](std::string_view key, std::optional<std::int32_t>& id) {
        if (const GgufValue* value = given(key)) id = static_cast<std::int32_t>(value->integer(0, INT32_MAX));
    };
    set_id("bos_token_id", out.bos_token_id);
    set_id("eos_token_id", out.eos_token_id);
    set_id("unknown_token_id", out.unknown_token_id);
    set_id("seperator_token_id", out.seperator_token_id);
    set_id("cls_token_id", out.cls_token_id);
    const auto set_flag = [&](std::string_view key, std::optional<bool>& flag) {
        if (const GgufValue* value = given(key)) flag = value->boolean();
    };
    set_flag("add_bos_token", out.add_bos_token);
    set_flag("add_eos_token", out.add_eos_token);
    set_flag("add_sep_token", out.add_sep_token);
    set_flag("add_space_prefix", out.add_space_prefix);
    set_flag("remove_extra_whitespaces", out.remove_extra_whitespaces);
    if (const GgufValue* value = given("precompiled_charsmap"))
        for (const std::int64_t byte : value->integers())
            out.precompiled_charsmap += static_cast<char>(static_cast<unsigned char>(byte & 0xff));
    return out;
}

}  // namespace vitro
