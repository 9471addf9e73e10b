#include "frontend/config.h"

#include "base/error.h"
#include "frontend/config_keys.h"
#include "frontend/config_values.h"
#include "frontend/expert_config.h"
#include "frontend/file.h"
#include "frontend/gguf/gguf_model.h"
#include "frontend/json.h"
#include "frontend/layer_config.h"
#include "frontend/model_directory.h"
#include "frontend/rope_config.h"
#include "models/model.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>
#include <string_view>

namespace vitro {
namespace {

constexpr JsonLimits kConfigLimits{.max_bytes = std::size_t{4} << 20, .max_values = std::size_t{1} << 18};

// A weight is at most a vocabulary by a width, or three widths by a width: its bytes stay far below 2^63.
constexpr std::int64_t kMaxWidth = std::int64_t{1} << 20;
constexpr std::int64_t kMaxVocabulary = std::int64_t{1} << 24;
constexpr std::int64_t kMaxLayers = 4096;
constexpr std::int64_t kMaxHeads = std::int64_t{1} << 14;
constexpr std::int64_t kMaxHeadDim = std::int64_t{1} << 14;
constexpr std::int64_t kMaxPositions = std::int64_t{1} << 30;
constexpr double kMinScale = 1e-9, kMaxScale = 1e9;

struct ActivationName {
    std::string_view name;
    Activation activation;
};

constexpr std::array<ActivationName, 7> kActivations{{
    {"silu", Activation::silu},
    {"swish", Activation::silu},
    {"gelu", Activation::gelu},
    {"gelu_new", Activation::gelu_tanh},
    {"gelu_fast", Activation::gelu_tanh},
    {"gelu_pytorch_tanh", Activation::gelu_tanh},
    {"relu", Activation::relu},
}};

struct TorchDType {
    std::string_view name;
    DType dtype;
};

constexpr std::array<TorchDType, 3> kTorchDTypes{{
    {"float32", DType::f32},
    {"float16", DType::f16},
    {"bfloat16", DType::bf16},
}};

/// The row of `table` named by `value`; Error listing the names when there is none.
template <class Table>
const auto& named(const Table& table, const JsonValue& value) {
    const std::string_view name = value.string();
    std::string names;
    for (const auto& row : table) {
        if (row.name == name) return row;
        names += (names.empty() ? "" : ", ") + std::string(row.name);
    }
    value.refuse("one of " + names);
}

/// Fails, listing a name of every architecture.
[[noreturn]] void refuse_architecture(const JsonValue& value, std::string_view Architecture::*name) {
    std::string names;
    for (const Architecture* known : architectures()) names += (names.empty() ? "" : ", ") + std::string(known->*name);
    value.refuse("one of " + names);
}

NamedArchitecture architecture_of(const JsonValue& config) {
    const auto type = config.given("model_type");
    if (const auto names = config.given("architectures")) {
        const std::vector<JsonValue> list = names->array();
        if (list.empty()) names->refuse("an array with the architecture's name");
        const auto named = named_architecture(list.front().string());
        if (!named) refuse_architecture(list.front(), &Architecture::name);
        // transformers would follow the type.
        const Architecture& known = *named->architecture;
        if (type && type->string() != known.model_type)
            type->refuse(fmt::format("{}, the type of {}", known.model_type, list.front().string()));
        return *named;
    }
    for (const Architecture* known : architectures())
        if (known->model_type == config.at("model_type").string()) return {known, Head::language_model};
    refuse_architecture(*type, &Architecture::model_type);
}

bool boolean_or(const JsonValue& config, std::string_view key, bool otherwise) {
    const auto value = config.given(key);
    return value ? value->boolean() : otherwise;
}

std::optional<double> optional_number(const JsonValue& config, std::string_view key, double low, double high) {
    const auto value = config.given(key);
    return value ? std::optional(value->number(low, high)) : std::nullopt;
}

struct KvHeads {
    std::int64_t count, size;
};

KvHeads read_heads(const JsonValue& config, const Architecture& known, ModelConfig& model) {
    const ConfigKeys& keys = known.keys;
    model.n_heads = config.at(keys.n_heads).integer(1, kMaxHeads);
    const auto kv_heads = config.find(keys.n_kv_heads);
    KvHeads heads{};
    // Null is as many as query heads, absent what the architecture says.
    heads.count = kv_heads && !kv_heads->is_null()    ? kv_heads->integer(1, kMaxHeads)
                  : !kv_heads && known.n_kv_heads > 0 ? known.n_kv_heads
                                                      : model.n_heads;
    if (model.n_heads % heads.count != 0) {
        fail("{}: \"{}\": expected a divisor of {} ({}), found {}", config.file(), keys.n_kv_heads, keys.n_heads,
             model.n_heads, heads.count);
    }
    if (const auto head_dim = config.given("head_dim")) {
        heads.size = head_dim->integer(1, kMaxHeadDim);
    } else if (known.head_dim > 0) {
        heads.size = known.head_dim;
    } else {
        if (model.hidden_size % model.n_heads != 0) {
            config.at(keys.hidden_size).refuse(fmt::format("a multiple of {} ({})", keys.n_heads, model.n_heads));
        }
        heads.size = model.hidden_size / model.n_heads;
    }
    if (model.n_heads * heads.size > kMaxWidth) {
        fail("{}: \"{}\": expected {} * head_dim to be at most {}, found {} * {}", config.file(), keys.n_heads,
             keys.n_heads, kMaxWidth, model.n_heads, heads.size);
    }
    return heads;
}

/// The multipliers that the architecture has a key for.
void read_scales(const JsonValue& config, const Architecture& known, ModelConfig& model) {
    const auto number = [&](std::string_view key, double low, double otherwise) {
        const auto value = key.empty() ? std::nullopt : config.find(key);
        // Null: none, which is what 0 says of those that may be absent.
        return !value ? otherwise : value->is_null() ? 0 : value->number(low, kMaxScale);
    };
    const ConfigKeys& keys = known.keys;
    model.embedding_scale = known.scales_embedding ? std::sqrt(static_cast<double>(model.hidden_size))
                                                   : number(keys.embedding_scale, -kMaxScale, 1);
    model.residual_scale = number(keys.residual_scale, -kMaxScale, 1);
    model.logit_scale = 1 / number(keys.logit_divisor, kMinScale, 1);
    model.attention_scale = number(keys.attention_scale, kMinScale, known.attention_scale);
    if (const double scalar = number(keys.query_scalar, kMinScale, known.query_scalar); scalar > 0)
        model.attention_scale = 1 / std::sqrt(scalar);
    model.attention_softcap = number(keys.attention_softcap, kMinScale, known.attention_softcap);
    model.logit_softcap = number(keys.logit_softcap, kMinScale, known.logit_softcap);
}

bool bias(const JsonValue& config, std::string_view key, bool is_heeded, const Architecture& known,
          bool otherwise = false) {
    const bool wanted = boolean_or(config, key, otherwise);
    if (wanted && !is_heeded) {
        config.at(key).refuse(fmt::format("false, since {} has no biases there", known.name));
    }
    return wanted;
}

/// The rows of a table of positions that RoBERTa has no position for: those up to the padding token's.
void skip_padding_rows(const JsonValue& config, const Architecture& known, ModelConfig& model) {
    model.first_position_row = integer_or(config, "pad_token_id", 0, kMaxPositions, known.pad_token_id.value_or(0)) + 1;
    if (model.first_position_row >= model.max_positions)
        config.at(known.keys.max_positions)
            .refuse(fmt::format("more than {}, the rows up to that of pad_token_id", model.first_position_row));
    model.max_positions -= model.first_position_row;
}

/// The names of the labels that are scored: "id2label", or so many as "num_labels" says.
void read_labels(const JsonValue& config, ModelConfig& model) {
    if (const auto names = config.given("id2label")) {
        const std::vector<JsonValue::Member> members = names->members();
        model.labels.resize(members.size());
        std::vector<bool> known(members.size());
        std::set<std::string_view> labels;
        for (const auto& [key, value] : members) {
            std::size_t index = members.size();
            const char* end = key.data() + key.size();
            const auto [after, error] = std::from_chars(key.data(), end, index);
            if (error != std::errc() || after != end || index >= members.size() || known[index])
                value.refuse(fmt::format("each index in [0, {}) once as a key", members.size()));
            known[index] = true;
            if (!labels.insert(value.string()).second) value.refuse("labels that differ");
            model.labels[index] = value.string();
        }
    } else {
        const std::int64_t count = integer_or(config, "num_labels", 1, kMaxWidth, 2);
        for (std::int64_t i = 0; i < count; ++i) model.labels.push_back(fmt::format("LABEL_{}", i));
    }
    if (model.labels.empty()) config.at("id2label").refuse("at least one label");
    const auto type = config.given("problem_type");
    model.has_independent_labels = type && type->string() == "multi_label_classification";
    if (type && type->string() == "regression" && model.labels.size() > 1)
        type->refuse(
            "\"single_label_classification\" or \"multi_label_classification\" where there are several labels");
}

/// A directory's config.json, or what a GGUF file says in its place.
JsonValue config_of(const std::filesystem::path& model) {
    if (is_gguf(model)) return gguf_config(GgufFile::open(model));
    require_model_directory(model);
    return JsonValue::read(model / "config.json", kConfigLimits);
}

}  // namespace

ModelConfig read_model_config(const std::filesystem::path& directory) {
    const JsonValue config = config_of(directory);
    const NamedArchitecture found = architecture_of(config);
    const Architecture& known = *found.architecture;
    const ConfigKeys& keys = known.keys;
    ModelConfig model;
    model.experts_in_blocks = has_mxfp4_experts(config, known.experts);
    const auto names = config.given("architectures");
    model.architecture = names ? names->array().front().string() : known.name;
    refuse_keys_not_heeded(config, known, model.architecture);

    model.head = found.head;
    model.model_type = known.model_type;
    model.vocab_size = config.at("vocab_size").integer(1, kMaxVocabulary);
    model.hidden_size = config.at(keys.hidden_size).integer(1, kMaxWidth);
    model.intermediate_size =
        known.intermediate_by_hidden > 0
            ? integer_or(config, keys.intermediate_size, 1, kMaxWidth, known.intermediate_by_hidden * model.hidden_size)
            : config.at(keys.intermediate_size).integer(1, kMaxWidth);
    model.n_layers = config.at(keys.n_layers).integer(1, kMaxLayers);
    const KvHeads heads = read_heads(config, known, model);
    model.max_positions = integer_or(config, keys.max_positions, 1, kMaxPositions, known.max_positions);
    if (known.skips_padding_rows) skip_padding_rows(config, known, model);

    model.norm_eps = optional_number(config, keys.norm_eps, 0, 1).value_or(known.norm_eps);
    const auto activation = config.given(keys.activation);
    model.hidden_act = activation ? named(kActivations, *activation).activation : known.activation;
    model.tie_word_embeddings = boolean_or(config, "tie_word_embeddings", known.tie_word_embeddings);
    model.attention_bias =
        bias(config, keys.attention_bias, known.has_attention_bias, known, known.default_attention_bias);
    model.mlp_bias = bias(config, keys.mlp_bias, known.has_mlp_bias, known, known.default_mlp_bias);
    // Where an architecture has a key for them, they are absent without it, but for those of logits.
    model.norm_bias = keys.norm_bias.empty() || boolean_or(config, keys.norm_bias, false);
    model.head_bias = keys.head_bias.empty() || boolean_or(config, keys.head_bias, false);
    model.decoder_bias = keys.decoder_bias.empty() || boolean_or(config, keys.decoder_bias, true);
    model.paired_rows = is_gguf(directory) && has_paired_rows(GgufFile::open(directory));
    model.norm_from_one = known.norm_from_one && !is_gguf(directory);
    auto dtype = config.given("dtype");
    if (!dtype) dtype = config.given("torch_dtype");
    if (dtype) model.dtype = named(kTorchDTypes, *dtype).dtype;

    model.is_causal = known.is_causal;
    if (known.n_token_types > 0)
        model.n_token_types = integer_or(config, "type_vocab_size", 1, kMaxVocabulary, known.n_token_types);
    if (model.head == Head::sequence_labels || model.head == Head::token_labels) read_labels(config, model);
    read_scales(config, known, model);
    read_layers(config, known, heads.size, heads.count, model);
    read_experts(config, known.experts, model);
    model.experts_are_stacked = known.experts.count > 0 && is_gguf(directory);
    model.original_max_positions =
        model.ropes.empty() ? model.max_positions : model.ropes.front().original_max_positions;
    if (known.rope.has_query_scale) model.query_scale_beta = read_query_scale(config, known.rope);
    return model;
}

GenerationConfig read_generation_config(const std::filesystem::path& directory, const ModelConfig& model) {
    const JsonValue config = config_of(directory);
    const Architecture& known = *architecture_of(config).architecture;
    std::optional<JsonValue> file;
    const std::filesystem::path path = directory / "generation_config.json";
    if (file_exists(path)) file = JsonValue::read(path, kConfigLimits);

    GenerationConfig generation;
    // What is wrong with a suggestion is told, and does not count.
    const auto taken = [&](const auto& read) -> std::optional<decltype(read())> {
        try {
            return read();
        } catch (const Error& error) {
            generation.ignored.emplace_back(error.what());
            return std::nullopt;
        }
    };
    const auto token_id = [&](const JsonValue& value) {
        return taken([&] {
            if (!value.is_integer() || value.integer() < 0 || value.integer() >= model.vocab_size)
                value.refuse(fmt::format("a token id in [0, {}), the vocabulary", model.vocab_size));
            return value.integer();
        });
    };
    const auto find = [&](std::string_view key) {
        auto value = file ? file->find(key) : std::nullopt;
        return value ? value : config.find(key);
    };
    const auto id = [&](std::string_view key, std::optional<std::int64_t> otherwise) -> std::optional<std::int64_t> {
        const auto value = find(key);
        if (!value) return otherwise && *otherwise < model.vocab_size ? otherwise : std::nullopt;
        // Several published Llama configs write "no padding" as -1.
        const bool none = value->is_null() || (key == "pad_token_id" && value->is_integer() && value->integer() == -1);
        return none ? std::nullopt : token_id(*value);
    };

    generation.bos_token_id = id("bos_token_id", known.bos_token_id);
    generation.pad_token_id = id("pad_token_id", known.pad_token_id);
    if (const auto eos = find("eos_token_id"); eos && eos->is_array()) {
        for (const JsonValue& value : eos->array())
            if (const auto one = token_id(value)) generation.eos_token_ids.push_back(*one);
    } else if (const auto one = id("eos_token_id", known.eos_token_id)) {
        generation.eos_token_ids.push_back(*one);
    }

    if (!file) return generation;
    const auto number = [&](std::string_view key, double low, double high) -> std::optional<double> {
        const auto value = file->given(key);
        return value ? taken([&] { return value->number(low, high); }) : std::nullopt;
    };
    if (const auto sample = file->given("do_sample")) generation.do_sample = taken([&] { return sample->boolean(); });
    if (const auto top_k = number("top_k", 0, static_cast<double>(kMaxVocabulary)))
        generation.top_k = taken([&] {
            if (*top_k != std::floor(*top_k)) file->at("top_k").refuse("a whole number");
            return static_cast<std::int64_t>(*top_k);
        });
    generation.temperature = number("temperature", 0, 1000);
    generation.top_p = number("top_p", 0, 1);
    generation.min_p = number("min_p", 0, 1);
    generation.repetition_penalty = number("repetition_penalty", 1e-3, 1000);
    return generation;
}

}  // namespace vitro
