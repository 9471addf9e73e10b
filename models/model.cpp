#include "models/model.h"

#include "models/llama.h"
#include "models/phi3.h"

#include <algorithm>

namespace vitro {

std::span<const Architecture* const> architectures() {
    static constexpr const Architecture* kArchitectures[] = {
        &kLlama,
        &kMistral,
        &kPhi3,
    };
    return kArchitectures;
}

const Architecture* find_architecture(std::string_view name) {
    const auto all = architectures();
    const auto found = std::find_if(all.begin(), all.end(), [&](const Architecture* one) { return one->name == name; });
    return found == all.end() ? nullptr : *found;
}

Graph build_model(const ModelConfig& config, const BuildOptions& options) {
    const Architecture* architecture = find_architecture(config.architecture);
    if (architecture == nullptr) fail("the model's architecture: expected a known one, found {}", config.architecture);
    return architecture->build(config, options);
}

}  // namespace vitro
