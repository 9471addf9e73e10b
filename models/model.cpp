#include "models/model.h"

#include "models/bert.h"
#include "models/gemma.h"
#include "models/gpt2.h"
#include "models/gpt_oss.h"
#include "models/granite.h"
#include "models/llama.h"
#include "models/mixtral.h"
#include "models/modernbert.h"
#include "models/olmo.h"
#include "models/phi3.h"
#include "models/qwen.h"
#include "models/stablelm.h"
#include "models/starcoder2.h"

#include <algorithm>

namespace vitro {

std::span<const Architecture* const> architectures() {
    // clang-format off
    static constexpr const Architecture* kArchitectures[] = {
        &kBert,
        &kGemma2,
        &kGemma3,
        &kGpt2,
        &kGptOss,
        &kGranite,
        &kLlama,
        &kMinistral,
        &kMinistral3,
        &kMistral,
        &kMixtral,
        &kModernBert,
        &kOlmo2,
        &kOlmo3,
        &kPhi3,
        &kQwen2,
        &kQwen3,
        &kQwen3Moe,
        &kRoberta,
        &kSmolLm3,
        &kStableLm,
        &kStarcoder2,
        &kXlmRoberta,
    };
    // clang-format on
    return kArchitectures;
}

std::string_view family_of(std::string_view architecture) {
    for (const std::string_view end : {"LMHeadModel", "Model", "For"})
        if (const std::size_t at = architecture.find(end); at != std::string_view::npos)
            return architecture.substr(0, at);
    return architecture;
}

std::optional<NamedArchitecture> named_architecture(std::string_view name) {
    for (const Architecture* one : architectures())
        if (one->name == name) return NamedArchitecture{one, Head::language_model};
    constexpr std::pair<std::string_view, Head> kHeads[] = {{"ForSequenceClassification", Head::sequence_labels},
                                                            {"ForTokenClassification", Head::token_labels},
                                                            {"Model", Head::none}};
    for (const Architecture* one : architectures())
        for (const auto& [end, head] : kHeads)
            if (name == std::string(family_of(one->name)) + std::string(end)) return NamedArchitecture{one, head};
    return std::nullopt;
}

Graph build_model(const ModelConfig& config, const BuildOptions& options) {
    const auto named = named_architecture(config.architecture);
    if (!named) fail("the model's architecture: expected one that is known, found {}", config.architecture);
    return named->architecture->build(config, options);
}

}  // namespace vitro
