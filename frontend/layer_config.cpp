#include "frontend/layer_config.h"

#include "base/error.h"
#include "frontend/rope_config.h"

#include <algorithm>

namespace vitro {
namespace {

constexpr std::int64_t kMaxPositions = std::int64_t{1} << 30;

std::int64_t every(const JsonValue& config, std::string_view key, std::int64_t otherwise) {
    const auto value = key.empty() ? std::nullopt : config.given(key);
    return value ? value->integer(1, kMaxPositions) : otherwise;
}

std::vector<JsonValue> list_of_layers(const JsonValue& list, std::int64_t n_layers) {
    std::vector<JsonValue> all = list.array();
    if (std::ssize(all) != n_layers) list.refuse(fmt::format("an array of {}, one for each layer", n_layers));
    return all;
}

/// Of each layer whether q and k turn.
std::vector<bool> layers_that_turn(const JsonValue& config, const RopeDefaults& rope, std::int64_t n_layers) {
    std::vector<bool> turns(static_cast<std::size_t>(n_layers), true);
    if (rope.none_every == 0) return turns;
    if (const auto list = config.given("no_rope_layers")) {  // 1 where there is one
        const std::vector<JsonValue> all = list_of_layers(*list, n_layers);
        for (std::size_t i = 0; i < all.size(); ++i) turns[i] = all[i].integer(0, 1) == 1;
        return turns;
    }
    const std::int64_t interval = every(config, "no_rope_layer_interval", rope.none_every);
    for (std::int64_t i = 0; i < n_layers; ++i) turns[static_cast<std::size_t>(i)] = (i + 1) % interval != 0;
    return turns;
}

/// The window of the layers that have one; 0: none has. Null means none, absent means the architecture's default.
std::int64_t window_of(const JsonValue& config, const SlidingDefaults& sliding) {
    if (!sliding.has_window) return 0;
    if (sliding.is_switched) {
        const auto use = config.given("use_sliding_window");
        if (!use || !use->boolean()) return 0;
    }
    const auto given = config.find(sliding.window_key);
    const std::int64_t window = !given ? sliding.window : given->is_null() ? 0 : given->integer(1, kMaxPositions);
    return sliding.has_both_sides && window > 0 ? window / 2 + 1 : window;
}

/// Of each layer whether it sees the window only.
std::vector<bool> layers_that_slide(const JsonValue& config, const SlidingDefaults& sliding, std::int64_t window,
                                    const std::vector<bool>& turns) {
    std::vector<bool> slides(turns.size());
    if (const auto list = sliding.has_layer_types ? config.given("layer_types") : std::nullopt) {
        const std::vector<JsonValue> types = list_of_layers(*list, std::ssize(turns));
        for (std::size_t i = 0; i < types.size(); ++i) {
            slides[i] = types[i].string() == "sliding_attention";
            if (slides[i] && window == 0) types[i].refuse("full_attention, since there is no sliding_window");
        }
        return slides;
    }
    const std::int64_t full_every = every(config, sliding.full_every_key, sliding.full_every);
    std::int64_t first = 0;
    if (sliding.is_switched && !sliding.where_no_rope) {
        const auto from = config.given("max_window_layers");
        first = from ? from->integer(0, kMaxPositions) : sliding.from_layer;
    }
    for (std::size_t i = 0; i < slides.size(); ++i) {
        const auto layer = static_cast<std::int64_t>(i);
        const bool is_one_of = full_every > 0 && (layer + (sliding.first_is_full ? 0 : 1)) % full_every == 0;
        const bool is_full = is_one_of || layer < first || (sliding.where_no_rope && turns[i]);
        slides[i] = window > 0 && !is_full;
    }
    return slides;
}

/// vitro's own: layers of these types have a pattern of the Sparse Transformer, which transformers has no word for.
void read_patterns(const JsonValue& config, ModelConfig& model) {
    const auto list = config.given("layer_types");
    if (!list) return;
    const std::vector<JsonValue> types = list_of_layers(*list, model.n_layers);
    for (std::size_t i = 0; i < types.size(); ++i) {
        const std::string_view type = types[i].string();
        const bool is_fixed = type == "fixed_attention";
        if (type == "full_attention" || type == "sliding_attention") continue;
        if (!is_fixed && type != "strided_attention")
            types[i].refuse("one of full_attention, sliding_attention, strided_attention, fixed_attention");
        LayerConfig& layer = model.layers[i];
        layer.sparse_stride = config.at("attention_stride").integer(1, kMaxPositions);
        if (is_fixed) layer.sparse_summary = config.at("attention_summary").integer(1, layer.sparse_stride);
    }
}

}  // namespace

void read_layers(const JsonValue& config, const Architecture& known, std::int64_t head_dim, std::int64_t n_kv_heads,
                 ModelConfig& model) {
    const std::vector<bool> turns = layers_that_turn(config, known.rope, model.n_layers);
    const std::int64_t window = window_of(config, known.sliding);
    const std::vector<bool> slides = layers_that_slide(config, known.sliding, window, turns);
    const bool has_local_rope = known.rope.local_theta > 0;
    if (std::find(turns.begin(), turns.end(), true) != turns.end())
        model.ropes.push_back(read_rope(config, known.rope, RopeOf::all_layers, head_dim, model.max_positions));
    if (has_local_rope)
        model.ropes.push_back(read_rope(config, known.rope, RopeOf::sliding_layers, head_dim, model.max_positions));
    for (std::size_t i = 0; i < turns.size(); ++i)
        model.layers.push_back({.n_kv_heads = n_kv_heads,
                                .head_dim = head_dim,
                                .sliding_window = slides[i] ? window : 0,
                                .rope = !turns[i]                     ? LayerConfig::kNoRope
                                        : has_local_rope && slides[i] ? 1
                                                                      : 0,
                                .has_experts = known.experts.count > 0});
    if (known.sliding.has_layer_types) read_patterns(config, model);
    for (const Rope& rope : model.ropes)
        if (!rope.is_static() && rope.original_max_positions != model.rope_by_length()->original_max_positions)
            fail("{}: \"rope_parameters\": expected one length at which the layers' factors change, found {} and {}",
                 config.file(), model.rope_by_length()->original_max_positions, rope.original_max_positions);
}

}  // namespace vitro
