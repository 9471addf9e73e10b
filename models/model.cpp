#include "models/model.h"

#include "models/llama.h"
#include "models/phi3.h"

namespace vitro {

std::span<const Architecture> architectures() {
    static constexpr Architecture kArchitectures[] = {
        {"LlamaForCausalLM", build_llama},
        {"MistralForCausalLM", build_llama},
        {"Phi3ForCausalLM", build_phi3},
    };
    return kArchitectures;
}

Graph build_model(const ModelConfig& config, const BuildOptions& options) {
    std::string known;
    for (const Architecture& architecture : architectures()) {
        if (architecture.name == config.architecture) return architecture.build(config, options);
        known += fmt::format("{}{}", known.empty() ? "" : ", ", architecture.name);
    }
    fail("config.json: \"architectures\": expected one of {}, found {}", known, config.architecture);
}

}  // namespace vitro
