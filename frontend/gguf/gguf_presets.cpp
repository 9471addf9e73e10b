#include "frontend/gguf/gguf_presets.h"

#include "base/error.h"
#include "frontend/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

namespace vitro {
namespace {

constexpr std::array<GgufPreset, 7> kPresets{{
    {"f16", 1, DType::f16},
    {"bf16", 32, DType::bf16},
    {"q8_0", 7, DType::q8_0},
    {"q4_0", 2, DType::q4_0},
    {"q4_k_m", 15, DType::q4_k},
    {"q5_k_m", 17, DType::q5_k},
    {"q6_k", 18, DType::q6_k},
}};

/// "3" of "blk.3.attn_v.weight"; 0 where there is none.
std::int64_t layer_of(std::string_view name) {
    std::int64_t layer = 0;
    if (name.starts_with("blk.")) std::from_chars(name.data() + 4, name.data() + name.size(), layer);
    return layer;
}

/// The first and the last eighth of the layers, and every third between.
bool is_important(std::int64_t layer, std::int64_t layers) {
    return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

DType mixed_type(const GgufMixture& mixture, std::string_view name) {
    const DType base = mixture.preset.dtype;
    if (!is_block_quantized(base)) return base;
    const bool is_head = name == (mixture.has_head ? "output.weight" : "token_embd.weight");
    if (is_head) return base == DType::q8_0 ? base : DType::q6_k;
    const bool mixes = base == DType::q4_k || base == DType::q5_k;
    if (!mixes) return base;
    const bool is_value = name.ends_with("attn_v.weight") || name.ends_with("attn_qkv.weight");
    if ((is_value || name.ends_with("ffn_down.weight")) && is_important(layer_of(name), mixture.layers))
        return DType::q6_k;
    return is_value && mixture.shares_many_heads ? DType::q5_k : base;
}

/// Of 32 elements in a block, not less exact.
DType smaller_block(DType dtype) {
    switch (dtype) {
        case DType::q4_k:
            return DType::q5_0;
        case DType::q5_k:
            return DType::q5_1;
        case DType::q6_k:
            return DType::q8_0;
        default:
            return DType::f16;
    }
}

}  // namespace

std::span<const GgufPreset> gguf_presets() { return kPresets; }

const GgufPreset& gguf_preset(std::string_view name) {
    std::string names;
    for (const GgufPreset& preset : kPresets) {
        if (preset.name == name) return preset;
        names += (names.empty() ? "" : ", ") + std::string(preset.name);
    }
    fail("expected one of {}, found {}", names, quote(name));
}

bool is_gguf_weight(std::string_view name, std::span<const std::int64_t> shape) {
    return name.ends_with(".weight") && shape.size() == 2 && !name.starts_with("rope_");
}

DType gguf_weight_type(const GgufMixture& mixture, std::string_view name, std::int64_t columns) {
    DType dtype = mixed_type(mixture, name);
    while (columns % info(dtype).block_elements != 0) dtype = smaller_block(dtype);
    return dtype;
}

}  // namespace vitro
