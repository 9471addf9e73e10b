#include "frontend/gguf/gguf_source.h"

#include "base/error.h"
#include "frontend/chat_format.h"
#include "frontend/config.h"
#include "frontend/file.h"
#include "frontend/gguf/gguf_model.h"
#include "frontend/json.h"
#include "frontend/tokenizer/gguf_vocabulary.h"

#include <algorithm>
#include <array>

namespace vitro {
namespace {

/// What llama.cpp's converter calls them; Mistral is Llama with a window.
std::string_view gguf_architecture(const ModelConfig& config) {
    if (config.model_type == "llama" || config.model_type == "mistral") return "llama";
    if (config.model_type == "phi3") return "phi3";
    fail("{}: expected one of llama, mistral, phi3, whose directories can be written as GGUF files", config.model_type);
}

/// What all layers are: these architectures have no keys for layers that are not alike.
const LayerConfig& layer_of(const ModelConfig& config) {
    const LayerConfig& first = config.layers.front();
    if (std::any_of(config.layers.begin(), config.layers.end(), [&](const auto& layer) { return layer != first; }))
        fail(
            "config.json: expected layers that are alike in heads, windows and rope, since a GGUF file of {} has no "
            "keys "
            "for others",
            config.model_type);
    return first;
}

/// Keys that are about how a file is stored, which the new one says anew.
bool is_about_storage(std::string_view key) {
    constexpr std::array<std::string_view, 3> kKeys{"general.file_type", "general.quantization_version",
                                                    "general.alignment"};
    return key.starts_with("split.") || std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end();
}

bool all_are(const std::vector<float>& values, float value) {
    return std::all_of(values.begin(), values.end(), [&](float each) { return each == value; });
}

}  // namespace

GgufSource GgufSource::open(const std::filesystem::path& model) {
    GgufSource source;
    is_gguf(model) ? source.take_file(model) : source.take_directory(model);
    return source;
}

void GgufSource::take_file(const std::filesystem::path& path) {
    file_ = GgufFile::open(path);
    const std::string prefix = std::string(file_->at("general.architecture").string()) + ".";
    for (const GgufValue& value : file_->metadata())
        if (!is_about_storage(value.key())) metadata.add(value);
    const auto number = [&](std::string_view key, std::int64_t otherwise) {
        const GgufValue* value = file_->find_key(prefix + std::string(key));
        return value == nullptr || value->is_array() ? otherwise : value->integer(0, std::int64_t{1} << 30);
    };
    layers = number("block_count", 0);
    const std::int64_t heads = number("attention.head_count", 0);
    shares_many_heads = layers == 80 && number("attention.head_count_kv", heads) != heads;
    if (number("expert_count", 0) > 0)
        file_->at(prefix + "expert_count").refuse("0, since models of several experts are not converted");
    for (const std::string& name : file_->names()) {
        const TensorView& view = *file_->find(name);
        tensors.push_back({name, view.shape, view.dtype, view.data, view.bytes});
    }
}

void GgufSource::take_directory(const std::filesystem::path& directory) {
    const ModelConfig config = read_model_config(directory);
    const std::string_view architecture = gguf_architecture(config);
    const std::string prefix = std::string(architecture) + ".";
    metadata.add_text("general.architecture", architecture);
    metadata.add_text("general.type", "model");
    metadata.add_text("general.name", std::filesystem::absolute(directory).lexically_normal().filename().string());
    layers = config.n_layers;
    shares_many_heads = architecture == "llama" && layers == 80 && config.n_heads != layer_of(config).n_kv_heads;
    add_sizes(config, prefix);
    add_rope(config, prefix);
    add_tokenizer(directory, config);
    checkpoint_ = Checkpoint::open(directory);
    for (const std::string& name : checkpoint_->names()) {
        const bool is_spare =
            name.ends_with("rotary_emb.inv_freq") || (config.tie_word_embeddings && name == "lm_head.weight");
        if (is_spare) continue;
        Tensor tensor{.name = gguf_tensor_name(name, architecture), .shape = {}};
        if (tensor.name.empty())
            fail("{}: tensor {}: expected a weight of {}, which a GGUF file has a name for", checkpoint_->name(),
                 quote(name), config.architecture);
        const TensorView& view = checkpoint_->at(name);
        tensor.shape = view.shape;
        tensor.dtype = view.dtype;
        tensor.data = view.data;
        tensor.bytes = view.bytes;
        if (architecture == "llama") {
            if (name.find(".q_proj.") != std::string::npos) tensor.paired_heads = config.n_heads;
            if (name.find(".k_proj.") != std::string::npos) tensor.paired_heads = layer_of(config).n_kv_heads;
        }
        tensors.push_back(std::move(tensor));
    }
}

void GgufSource::add_sizes(const ModelConfig& config, std::string_view prefix) {
    const auto add = [&](std::string_view key, std::int64_t value) {
        metadata.add_integer(std::string(prefix) + std::string(key), value);
    };
    const LayerConfig& layer = layer_of(config);
    add("vocab_size", config.vocab_size);
    add("context_length", config.max_positions);
    add("embedding_length", config.hidden_size);
    add("block_count", config.n_layers);
    add("feed_forward_length", config.intermediate_size);
    add("attention.head_count", config.n_heads);
    add("attention.head_count_kv", layer.n_kv_heads);
    add("attention.key_length", layer.head_dim);
    add("attention.value_length", layer.head_dim);
    add("attention.sliding_window", layer.sliding_window);
    metadata.add_number(std::string(prefix) + "attention.layer_norm_rms_epsilon", config.norm_eps);
    if (layer.sliding_window > 0 && layer.sliding_window < config.max_positions)
        warnings.push_back(fmt::format(
            "llama.cpp has no sliding window for this architecture: a token sees more than the {} before it, "
            "which the model was made for",
            layer.sliding_window));
    if (config.hidden_act != Activation::silu)
        fail("config.json: \"hidden_act\": expected silu, the only one that GGUF files of this architecture have");
}

void GgufSource::add_rope(const ModelConfig& config, std::string_view prefix) {
    const int index = layer_of(config).rope;
    if (index == LayerConfig::kNoRope)
        fail("config.json: expected layers with rope, since GGUF files of {} have no others", config.model_type);
    const Rope& rope = config.ropes[static_cast<std::size_t>(index)];
    const auto key = [&](std::string_view name) { return std::string(prefix) + "rope." + std::string(name); };
    metadata.add_integer(key("dimension_count"), rope.rotary_dim);
    metadata.add_number(key("freq_base"), rope.theta);
    const bool is_llama = prefix == "llama.";
    if (rope.is_static() && rope.attention_factor == 1) {
        const float first = rope.short_factor.front();
        if (all_are(rope.short_factor, first) && (first == 1 || is_llama)) {
            if (first == 1) return;
            metadata.add_text(key("scaling.type"), "linear");
            metadata.add_number(key("scaling.factor"), first);
            return;
        }
        if (is_llama) return add_factors("rope_freqs.weight", rope.short_factor);
    }
    metadata.add_integer(key("scaling.original_context_length"), rope.original_max_positions);
    metadata.add_number(key("scaling.attn_factor"), rope.attention_factor);
    if (is_llama) metadata.add_text(key("scaling.type"), "longrope");
    add_factors("rope_factors_short.weight", rope.short_factor);
    add_factors("rope_factors_long.weight", rope.long_factor);
}

void GgufSource::add_factors(std::string name, const std::vector<float>& values) {
    const std::vector<float>& kept = factors_.emplace_back(values);
    tensors.push_back({std::move(name),
                       {std::ssize(kept)},
                       DType::f32,
                       reinterpret_cast<const std::byte*>(kept.data()),
                       kept.size() * sizeof(float)});
}

void GgufSource::add_tokenizer(const std::filesystem::path& directory, const ModelConfig& config) {
    constexpr std::string_view kPrefix = "tokenizer.ggml.";
    const auto key = [&](std::string_view name) { return std::string(kPrefix) + std::string(name); };
    const GenerationConfig generation = read_generation_config(directory, config);
    const auto add_id = [&](std::string_view name, std::optional<std::int64_t> id) {
        if (id) metadata.add_integer(key(name), *id);
    };
    add_id("bos_token_id", generation.bos_token_id);
    add_id("padding_token_id", generation.pad_token_id);
    const std::vector<std::int64_t>& ends = generation.eos_token_ids;
    if (!ends.empty()) add_id("eos_token_id", ends[0]);
    if (ends.size() > 1) add_id("eot_token_id", ends[1]);
    if (const auto chat = chat_template_of(directory)) metadata.add_text("tokenizer.chat_template", *chat);
    if (!file_exists(directory / "tokenizer.json") && !file_exists(directory / "tokenizer.model")) {
        metadata.add_text(key("model"), "none");
        return;
    }
    const GgufVocabulary vocabulary = export_gguf_vocabulary(directory, config.vocab_size, warnings);
    metadata.add_text(key("model"), vocabulary.model);
    if (!vocabulary.pre.empty()) metadata.add_text(key("pre"), vocabulary.pre);
    metadata.add_texts(key("tokens"), vocabulary.tokens);
    if (!vocabulary.scores.empty()) metadata.add_numbers(key("scores"), vocabulary.scores);
    metadata.add_integers(key("token_type"), vocabulary.token_types);
    if (!vocabulary.merges.empty()) metadata.add_texts(key("merges"), vocabulary.merges);
    add_id("unknown_token_id", vocabulary.unknown_token_id);
    metadata.add_flag(key("add_bos_token"), *vocabulary.add_bos_token);
    metadata.add_flag(key("add_eos_token"), *vocabulary.add_eos_token);
    if (vocabulary.add_space_prefix) metadata.add_flag(key("add_space_prefix"), *vocabulary.add_space_prefix);
    if (vocabulary.remove_extra_whitespaces)
        metadata.add_flag(key("remove_extra_whitespaces"), *vocabulary.remove_extra_whitespaces);
    if (!vocabulary.precompiled_charsmap.empty())
        metadata.add_bytes(key("precompiled_charsmap"), vocabulary.precompiled_charsmap);
}

}  // namespace vitro
