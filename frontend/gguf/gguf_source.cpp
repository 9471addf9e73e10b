#include "frontend/gguf/gguf_source.h"

#include "base/error.h"
#include "frontend/chat_format.h"
#include "frontend/check_weights.h"
#include "frontend/config.h"
#include "frontend/file.h"
#include "frontend/gguf/gguf_model.h"
#include "frontend/gguf/gguf_names.h"
#include "frontend/json.h"
#include "frontend/tokenizer/gguf_vocabulary.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace vitro {
namespace {

/// What llama.cpp calls an architecture, and what it knows of it without a key.
struct Written {
    std::string_view model_type, gguf;
    Activation activation = Activation::silu;
    std::int64_t full_every = 0;     // every so many layers one has no window; 0: all are alike
    std::int64_t no_rope_every = 0;  // every so many layers one has no rope; 0: all have
    bool has_window = false;         // vitro reads a window's key
    bool may_have_factors = false;   // rope's factors may be tensors
    bool may_have_biases = false;    // of projections of attention
    bool has_paired_rows = false;    // those of q and k stand in pairs that rope turns
    bool has_layer_norms = false;    // not RMSNorms
    bool has_scales = false;         // of embedding, residual stream, attention and logits
};

constexpr std::array<Written, 13> kWritten{{
    {.model_type = "llama",
     .gguf = "llama",
     .has_window = true,
     .may_have_factors = true,
     .may_have_biases = true,
     .has_paired_rows = true},
    {.model_type = "mistral",  // Llama with a window
     .gguf = "llama",
     .has_window = true,
     .may_have_factors = true,
     .may_have_biases = true,
     .has_paired_rows = true},
    {.model_type = "phi3", .gguf = "phi3", .has_window = true, .may_have_factors = true},
    {.model_type = "qwen2", .gguf = "qwen2", .may_have_biases = true},
    {.model_type = "qwen3", .gguf = "qwen3"},
    {.model_type = "gemma2",
     .gguf = "gemma2",
     .activation = Activation::gelu_tanh,
     .full_every = 2,
     .has_window = true},
    {.model_type = "gemma3_text",
     .gguf = "gemma3",
     .activation = Activation::gelu_tanh,
     .full_every = 6,
     .has_window = true},
    {.model_type = "granite", .gguf = "granite", .may_have_biases = true, .has_paired_rows = true, .has_scales = true},
    {.model_type = "smollm3", .gguf = "smollm3", .no_rope_every = 4, .may_have_biases = true, .has_paired_rows = true},
    {.model_type = "olmo2", .gguf = "olmo2"},
    {.model_type = "olmo3", .gguf = "olmo2", .full_every = 4, .has_window = true},
    {.model_type = "stablelm", .gguf = "stablelm", .may_have_biases = true, .has_layer_norms = true},
    {.model_type = "starcoder2",
     .gguf = "starcoder2",
     .activation = Activation::gelu_tanh,
     .has_window = true,
     .may_have_biases = true,
     .has_layer_norms = true},
}};

const Written& written_as(const ModelConfig& config) {
    std::string names;
    for (const Written& row : kWritten) {
        if (row.model_type == config.model_type) return row;
        names += (names.empty() ? "" : ", ") + std::string(row.model_type);
    }
    fail("{}: expected one of {}, whose directories can be written as GGUF files", config.model_type, names);
}

bool is_gemma(const Written& written) { return written.gguf.starts_with("gemma"); }

/// The last layer with rope and without a window, where there is one, else the last: what the keys speak of.
const LayerConfig& full_layer(const ModelConfig& config) {
    const auto full = std::find_if(config.layers.rbegin(), config.layers.rend(), [](const LayerConfig& layer) {
        return layer.sliding_window == 0 && layer.rope != LayerConfig::kNoRope;
    });
    return full == config.layers.rend() ? config.layers.back() : *full;
}

std::int64_t window_of(const ModelConfig& config) {
    std::int64_t window = 0;
    for (const LayerConfig& layer : config.layers) window = std::max(window, layer.sliding_window);
    return window;
}

/// Error for layers that are otherwise than llama.cpp takes them to be: its files have no keys for that.
void require_known_layers(const ModelConfig& config, const Written& written) {
    const LayerConfig& full = full_layer(config);
    const std::int64_t window = window_of(config);
    for (std::int64_t i = 0; i < config.n_layers; ++i) {
        const LayerConfig& layer = config.layers[static_cast<std::size_t>(i)];
        const bool slides = written.full_every == 0 || (i + 1) % written.full_every != 0;
        const bool has_rope = written.no_rope_every == 0 || (i + 1) % written.no_rope_every != 0;
        const bool may_turn_otherwise = slides && (written.gguf == "gemma3" || written.model_type == "olmo3");
        const bool is_known =
            layer.n_kv_heads == full.n_kv_heads && layer.head_dim == full.head_dim &&
            layer.sliding_window == (slides ? window : 0) && layer.sparse_stride == 0 &&
            (has_rope ? layer.rope == full.rope || may_turn_otherwise : layer.rope == LayerConfig::kNoRope);
        if (!is_known)
            fail(
                "config.json: layer {}: expected heads, window and rope as llama.cpp takes those of {} to be, since "
                "GGUF "
                "files have no keys for others",
                i, written.gguf);
    }
    if (window > 0 && !written.has_window)
        fail("config.json: \"sliding_window\": expected none, since GGUF files of {} have no key for one",
             written.gguf);
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
    const Written& written = written_as(config);
    require_known_layers(config, written);
    const std::string_view architecture = written.gguf;
    const std::string prefix = std::string(architecture) + ".";
    metadata.add_text("general.architecture", architecture);
    metadata.add_text("general.type", "model");
    metadata.add_text("general.name", std::filesystem::absolute(directory).lexically_normal().filename().string());
    layers = config.n_layers;
    shares_many_heads = architecture == "llama" && layers == 80 && config.n_heads != full_layer(config).n_kv_heads;
    add_sizes(config, prefix);
    add_rope(config, prefix);
    add_tokenizer(directory, config);
    checkpoint_ = Checkpoint::open(directory);
    checked_graph(config, {}, *checkpoint_);
    for (const std::string& name : checkpoint_->names()) {
        const bool is_spare =
            name.ends_with("rotary_emb.inv_freq") || (config.tie_word_embeddings && name == "lm_head.weight");
        if (is_spare) continue;
        Tensor tensor{.name = gguf_tensor_name(name, architecture), .shape = {}};
        if (tensor.name.empty())
            fail("{}: tensor {}: expected a weight of {}, which a GGUF file has a name for", checkpoint_->name(),
                 quote(name), config.architecture);
        const TensorView& view = checkpoint_->at(name);
        if (view.data == nullptr)
            fail("{}: tensor {}: expected numbers, found codes and scales in two tensors, which are not converted",
                 checkpoint_->name(), quote(name));
        tensor.shape = view.shape;
        tensor.dtype = view.dtype;
        tensor.data = view.data;
        tensor.bytes = view.bytes;
        tensor.adds_one = config.norm_from_one && name.ends_with("norm.weight");
        if (written.has_paired_rows) {
            if (name.find(".q_proj.") != std::string::npos) tensor.paired_heads = config.n_heads;
            if (name.find(".k_proj.") != std::string::npos) tensor.paired_heads = full_layer(config).n_kv_heads;
        }
        tensors.push_back(std::move(tensor));
    }
}

void GgufSource::add_sizes(const ModelConfig& config, std::string_view prefix) {
    const auto add = [&](std::string_view key, std::int64_t value) {
        metadata.add_integer(std::string(prefix) + std::string(key), value);
    };
    const Written& written = written_as(config);
    const LayerConfig& layer = full_layer(config);
    const std::int64_t window = window_of(config);
    add("vocab_size", config.vocab_size);
    add("context_length", config.max_positions);
    add("embedding_length", config.hidden_size);
    add("block_count", config.n_layers);
    add("feed_forward_length", config.intermediate_size);
    add("attention.head_count", config.n_heads);
    add("attention.head_count_kv", layer.n_kv_heads);
    add("attention.key_length", layer.head_dim);
    add("attention.value_length", layer.head_dim);
    if (written.has_window) add("attention.sliding_window", window);
    const auto add_number = [&](std::string_view key, double value) {
        metadata.add_number(std::string(prefix) + std::string(key), value);
    };
    add_number(written.has_layer_norms ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
               config.norm_eps);
    if (window > 0 && window < config.max_positions && !is_gemma(written))
        warnings.push_back(fmt::format(
            "llama.cpp has no sliding window for this architecture: a token sees more than the {} before it, "
            "which the model was made for",
            window));
    const auto require = [&](bool is_known, std::string_view what) {
        if (!is_known)
            fail("config.json: expected {} as llama.cpp takes it to be for {}, since GGUF files have no key for it",
                 what, written.gguf);
    };
    require(config.hidden_act == written.activation, "the activation");
    require(!config.attention_bias || written.may_have_biases, "biases of attention");
    const bool is_largest = is_gemma(written) && config.n_layers == (written.gguf == "gemma2" ? 46 : 62);
    const double divisor = static_cast<double>(is_largest ? config.hidden_size / config.n_heads : layer.head_dim);
    require(written.has_scales || config.attention_scale == 0 ||
                std::abs(config.attention_scale * std::sqrt(divisor) - 1) < 1e-6,
            "the scale of attention");
    if (written.has_scales) {
        add_number("embedding_scale", config.embedding_scale);
        add_number("residual_scale", config.residual_scale);
        add_number("attention.scale", config.attention_scale);
        add_number("logit_scale", 1 / config.logit_scale);  // what they are divided by
    }
    if (written.gguf == "stablelm") metadata.add_flag(std::string(prefix) + "use_parallel_residual", false);
    const bool has_caps = written.gguf == "gemma2";
    require((config.attention_softcap > 0) == has_caps && (config.logit_softcap > 0) == has_caps, "softcaps");
    if (!has_caps) return;
    add_number("attn_logit_softcapping", config.attention_softcap);
    add_number("final_logit_softcapping", config.logit_softcap);
}

void GgufSource::add_rope(const ModelConfig& config, std::string_view prefix) {
    const Written& written = written_as(config);
    const int index = full_layer(config).rope;
    if (index == LayerConfig::kNoRope)
        fail("config.json: expected layers with rope, since GGUF files of {} have no others", config.model_type);
    const Rope& rope = config.ropes[static_cast<std::size_t>(index)];
    const double theta = written.gguf == "gemma3" ? 1e4 : rope.theta;  // as llama.cpp takes it to be under a window
    for (const LayerConfig& layer : config.layers) {
        if (layer.rope == index || layer.rope == LayerConfig::kNoRope) continue;
        const Rope& local = config.ropes[static_cast<std::size_t>(layer.rope)];
        if (local.theta != theta || !all_are(local.short_factor, 1))
            fail(
                "config.json: expected rope of theta {}, unscaled, in layers with a window, since GGUF files of {} "
                "have "
                "no key for another, found theta {}",
                theta, written.gguf, local.theta);
    }
    const auto key = [&](std::string_view name) { return std::string(prefix) + "rope." + std::string(name); };
    metadata.add_integer(key("dimension_count"), rope.rotary_dim);
    metadata.add_number(key("freq_base"), rope.theta);
    const bool is_llama = written.gguf == "llama";
    if (rope.is_static() && rope.attention_factor == 1) {
        const float first = rope.short_factor.front();
        if (all_are(rope.short_factor, first) && (first == 1 || written.gguf != "phi3")) {
            if (first == 1) return;
            metadata.add_text(key("scaling.type"), "linear");
            metadata.add_number(key("scaling.factor"), first);
            return;
        }
        if (is_llama) return add_factors("rope_freqs.weight", rope.short_factor);
    }
    if (!written.may_have_factors)
        fail("config.json: expected rope unscaled or scaled linearly, since a GGUF file of {} says no other",
             written.gguf);
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
