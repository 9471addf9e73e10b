// Which type each weight of a GGUF file gets: the mixtures that llama.cpp's presets stand for, so that files are as
// large and as good as those that people know by these names (github.com/ggml-org/llama.cpp, src/llama-quant.cpp).
#pragma once

#include "base/dtype.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace vitro {

struct GgufPreset {
    std::string_view name;    // "q4_k_m"
    std::uint32_t file_type;  // as "general.file_type" numbers it
    DType dtype;              // of most weights
};

/// f16, bf16, q8_0, q4_0, q4_k_m, q5_k_m, q6_k.
std::span<const GgufPreset> gguf_presets();
/// Error for a name that none has.
const GgufPreset& gguf_preset(std::string_view name);

/// What of a model decides, beside a weight itself.
struct GgufMixture {
    const GgufPreset& preset;
    std::int64_t layers = 0;
    bool has_head = true;            // else the embedding is the head, too
    bool shares_many_heads = false;  // 70B models: eight query heads read the same values
};

/// Whether a preset rounds this tensor at all: weights of two dimensions. `shape` is outermost first.
bool is_gguf_weight(std::string_view name, std::span<const std::int64_t> shape);

/// The type of a weight of `columns` columns. A type of 256 elements in a block whose rows it does not fit gives way to
/// the next larger of 32, and one of 32 to f16.
DType gguf_weight_type(const GgufMixture& mixture, std::string_view name, std::int64_t columns);

}  // namespace vitro
