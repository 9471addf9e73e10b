#include "frontend/expert_config.h"

#include "base/error.h"
#include "frontend/config_values.h"

namespace vitro {
namespace {

constexpr std::int64_t kMaxExperts = 4096;
constexpr std::int64_t kMaxWidth = std::int64_t{1} << 20;

double number_or(const JsonValue& config, std::string_view key, double otherwise) {
    const auto value = config.given(key);
    return value ? value->number(1e-3, 1e6) : otherwise;
}

/// transformers spells the same number both ways.
std::int64_t count_of(const JsonValue& config, std::int64_t otherwise) {
    const auto local = config.given("num_local_experts");
    return local ? local->integer(1, kMaxExperts) : integer_or(config, "num_experts", 1, kMaxExperts, otherwise);
}

/// The layers of "mlp_only_layers" have none, and of the others every so-many-th as "decoder_sparse_step" says.
void take_from_dense_layers(const JsonValue& config, std::vector<LayerConfig>& layers) {
    const auto size = static_cast<std::int64_t>(layers.size());
    const std::int64_t step = integer_or(config, "decoder_sparse_step", 1, kMaxExperts, 1);
    for (std::int64_t i = 0; i < size; ++i)
        if ((i + 1) % step != 0) layers[static_cast<std::size_t>(i)].has_experts = false;
    if (const auto list = config.given("mlp_only_layers"))
        for (const JsonValue& layer : list->array())
            layers[static_cast<std::size_t>(layer.integer(0, size - 1))].has_experts = false;
}

}  // namespace

bool has_mxfp4_experts(const JsonValue& config, const ExpertDefaults& defaults) {
    const auto quantization = config.given("quantization_config");
    if (!quantization) return false;
    const auto method = quantization->given("quant_method");
    if (defaults.may_be_mxfp4 && method && method->string() == "mxfp4") return true;
    quantization->refuse(defaults.may_be_mxfp4 ? "no quantization but \"quant_method\": \"mxfp4\""
                                               : "no quantization: only f32, f16 and bf16 weights can be run");
}

void read_experts(const JsonValue& config, const ExpertDefaults& defaults, ModelConfig& model) {
    if (defaults.count == 0) return;
    model.n_experts = count_of(config, defaults.count);
    model.experts_per_token = integer_or(config, "num_experts_per_tok", 1, kMaxExperts, defaults.per_token);
    if (model.experts_per_token > model.n_experts)
        fail("{}: \"num_experts_per_tok\": expected at most {}, all experts, found {}", config.file(), model.n_experts,
             model.experts_per_token);
    model.expert_size = defaults.size_key.empty() ? model.intermediate_size
                                                  : integer_or(config, defaults.size_key, 1, kMaxWidth, defaults.size);
    model.normalizes_experts = true;
    if (!defaults.normalizes_key.empty()) {
        const auto normalizes = config.given(defaults.normalizes_key);
        model.normalizes_experts = normalizes && normalizes->boolean();
    }
    if (defaults.has_dense_layers) take_from_dense_layers(config, model.layers);
    if (model.experts_in_blocks)
        for (const auto& [key, width] :
             {std::pair{"hidden_size", model.hidden_size}, {"intermediate_size", model.expert_size}})
            if (width % info(DType::mxfp4).block_elements != 0)
                config.at(key).refuse(fmt::format("a multiple of {}, the numbers in a block of MXFP4",
                                                  info(DType::mxfp4).block_elements));
    if (!defaults.has_clamped_swiglu) return;
    model.swiglu_scale = number_or(config, "swiglu_alpha", 1.702);
    model.swiglu_limit = number_or(config, "swiglu_limit", 7);
}

}  // namespace vitro
