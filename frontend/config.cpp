#include "frontend/config.h"

#include "base/error.h"
#include "frontend/file.h"
#include "frontend/gguf/gguf_model.h"
#include "frontend/json.h"
#include "frontend/model_directory.h"
#include "frontend/rope_config.h"
#include "models/model.h"

#include <algorithm>
#include <array>
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

const Architecture& architecture_of(const JsonValue& config) {
    if (const auto names = config.given("architectures")) {
        const std::vector<JsonValue> list = names->array();
        if (list.empty()) names->refuse("an array with the architecture's name");
        const Architecture* known = find_architecture(list.front().string());
        if (known == nullptr) refuse_architecture(list.front(), &Architecture::name);
        return *known;
    }
    const JsonValue type = config.at("model_type");
    for (const Architecture* known : architectures())
        if (known->model_type == type.string()) return *known;
    refuse_architecture(type, &Architecture::model_type);
}

std::int64_t integer_or(const JsonValue& config, std::string_view key, std::int64_t low, std::int64_t high,
                        std::int64_t otherwise) {
    const auto value = config.given(key);
    return value ? value->integer(low, high) : otherwise;
}

bool boolean_or(const JsonValue& config, std::string_view key, bool otherwise) {
    const auto value = config.given(key);
    return value ? value->boolean() : otherwise;
}

std::optional<double> optional_number(const JsonValue& config, std::string_view key, double low, double high) {
    const auto value = config.given(key);
    return value ? std::optional(value->number(low, high)) : std::nullopt;
}

void read_heads(const JsonValue& config, const Architecture& known, ModelConfig& model) {
    const ConfigKeys& keys = known.keys;
    model.n_heads = config.at(keys.n_heads).integer(1, kMaxHeads);
    const auto kv_heads = config.find(keys.n_kv_heads);
    // Mistral: absent is 8, null is as many as query heads.
    model.n_kv_heads = kv_heads && !kv_heads->is_null()    ? kv_heads->integer(1, kMaxHeads)
                       : !kv_heads && known.n_kv_heads > 0 ? known.n_kv_heads
                                                           : model.n_heads;
    if (model.n_heads % model.n_kv_heads != 0) {
        fail("{}: \"{}\": expected a divisor of {} ({}), found {}", config.file(), keys.n_kv_heads, keys.n_heads,
             model.n_heads, model.n_kv_heads);
    }
    if (const auto head_dim = config.given("head_dim")) {
        model.head_dim = head_dim->integer(1, kMaxHeadDim);
    } else {
        if (model.hidden_size % model.n_heads != 0) {
            config.at(keys.hidden_size).refuse(fmt::format("a multiple of {} ({})", keys.n_heads, model.n_heads));
        }
        model.head_dim = model.hidden_size / model.n_heads;
    }
    if (model.n_heads * model.head_dim > kMaxWidth) {
        fail("{}: \"{}\": expected {} * head_dim to be at most {}, found {} * {}", config.file(), keys.n_heads,
             keys.n_heads, kMaxWidth, model.n_heads, model.head_dim);
    }
}

/// Null means none, absent means the architecture's default.
std::int64_t sliding_window_of(const JsonValue& config, const Architecture& known) {
    if (!known.has_sliding_window) return 0;
    const auto window = config.find("sliding_window");
    if (!window) return known.sliding_window;
    return window->is_null() ? 0 : window->integer(1, kMaxPositions);
}

bool bias(const JsonValue& config, std::string_view key, const Architecture& known) {
    const bool wanted = boolean_or(config, key, false);
    if (wanted && !known.has_biases) {
        config.at(key).refuse(fmt::format("false, since {} has no biases there", known.name));
    }
    return wanted;
}

std::int64_t token_id(const JsonValue& value, const ModelConfig& model) {
    if (!value.is_integer() || value.integer() < 0 || value.integer() >= model.vocab_size) {
        value.refuse(fmt::format("a token id in [0, {}), the vocabulary", model.vocab_size));
    }
    return value.integer();
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
    const Architecture& known = architecture_of(config);
    const ConfigKeys& keys = known.keys;
    if (const auto quantization = config.given("quantization_config")) {
        quantization->refuse("no quantization: only f32, f16 and bf16 weights can be run");
    }

    ModelConfig model;
    model.architecture = known.name;
    model.model_type = known.model_type;
    model.vocab_size = config.at("vocab_size").integer(1, kMaxVocabulary);
    model.hidden_size = config.at(keys.hidden_size).integer(1, kMaxWidth);
    model.intermediate_size = config.at(keys.intermediate_size).integer(1, kMaxWidth);
    model.n_layers = config.at(keys.n_layers).integer(1, kMaxLayers);
    read_heads(config, known, model);
    model.max_positions = integer_or(config, keys.max_positions, 1, kMaxPositions, known.max_positions);
    model.sliding_window = sliding_window_of(config, known);

    model.rms_norm_eps = optional_number(config, keys.norm_eps, 0, 1).value_or(known.norm_eps);
    const auto activation = config.given(keys.activation);
    model.hidden_act = activation ? named(kActivations, *activation).activation : known.activation;
    model.tie_word_embeddings = boolean_or(config, "tie_word_embeddings", known.tie_word_embeddings);
    model.attention_bias = bias(config, "attention_bias", known);
    model.mlp_bias = bias(config, "mlp_bias", known);
    model.paired_rows = is_gguf(directory) && has_paired_rows(GgufFile::open(directory));
    auto dtype = config.given("dtype");
    if (!dtype) dtype = config.given("torch_dtype");
    if (dtype) model.dtype = named(kTorchDTypes, *dtype).dtype;

    model.rope = read_rope(config, known.rope, model.head_dim, model.max_positions);
    model.original_max_positions = model.rope.original_max_positions;
    return model;
}

GenerationConfig read_generation_config(const std::filesystem::path& directory, const ModelConfig& model) {
    const JsonValue config = config_of(directory);
    const Architecture& known = architecture_of(config);
    std::optional<JsonValue> file;
    const std::filesystem::path path = directory / "generation_config.json";
    if (file_exists(path)) file = JsonValue::read(path, kConfigLimits);

    const auto find = [&](std::string_view key) {
        auto value = file ? file->find(key) : std::nullopt;
        return value ? value : config.find(key);
    };
    const auto id = [&](std::string_view key, std::optional<std::int64_t> otherwise) -> std::optional<std::int64_t> {
        const auto value = find(key);
        if (!value) return otherwise && *otherwise < model.vocab_size ? otherwise : std::nullopt;
        // Several published Llama configs write "no padding" as -1.
        const bool none = value->is_null() || (key == "pad_token_id" && value->is_integer() && value->integer() == -1);
        return none ? std::nullopt : std::optional(token_id(*value, model));
    };

    GenerationConfig generation;
    generation.bos_token_id = id("bos_token_id", known.bos_token_id);
    generation.pad_token_id = id("pad_token_id", known.pad_token_id);
    if (const auto eos = find("eos_token_id"); eos && eos->is_array()) {
        for (const JsonValue& value : eos->array()) generation.eos_token_ids.push_back(token_id(value, model));
    } else if (const auto one = id("eos_token_id", known.eos_token_id)) {
        generation.eos_token_ids.push_back(*one);
    }

    if (!file) return generation;
    if (const auto sample = file->given("do_sample")) generation.do_sample = sample->boolean();
    if (const auto top_k = file->given("top_k")) generation.top_k = top_k->integer(0, kMaxVocabulary);
    generation.temperature = optional_number(*file, "temperature", 0, 1000);
    generation.top_p = optional_number(*file, "top_p", 0, 1);
    generation.min_p = optional_number(*file, "min_p", 0, 1);
    generation.repetition_penalty = optional_number(*file, "repetition_penalty", 1e-3, 1000);
    return generation;
}

}  // namespace vitro
