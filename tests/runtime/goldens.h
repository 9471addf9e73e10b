// The models of tests/golden, for tests that want many architectures rather than the values.
#pragma once

#include "backends/cpu/cpu_backend.h"
#include "frontend/config.h"
#include "frontend/json.h"
#include "ops/op_list.h"
#include "runtime/append.h"
#include "tests/paths.h"

#include <filesystem>
#include <string>
#include <vector>

namespace vitro::test {

/// Names of all goldens.
inline std::vector<std::string> golden_names() {
    std::vector<std::string> names;
    for (const JsonValue& entry : JsonValue::read(source_path("tests/golden/golden.json")).at("goldens").array())
        if (entry.at("model").string().starts_with("tests/golden/")) names.emplace_back(entry.at("name").string());
    return names;
}

/// The same, but activations stay as they are: what is compared with fp32 math, or to the last bits with other kernels.
inline LanguageModelOptions exact(LanguageModelOptions options = {}) {
    options.passes.exact = true;
    return options;
}

/// A model with a backend of its own.
struct LoadedModel {
    CpuBackend backend;
    LanguageModel model;

    explicit LoadedModel(const std::filesystem::path& directory, LanguageModelOptions options = {}, int threads = 2,
                         std::span<const KernelDef> kernels = cpu_kernels())
        : backend(threads), model(directory, read_model_config(directory), {{backend, kernels}}, options) {}

    /// Appends tokens to sequence 0; logits after the last.
    std::vector<float> feed(std::span<const std::int32_t> tokens) {
        const auto logits = append(model, {.tokens = tokens}).values;
        return {logits.begin(), logits.end()};
    }
};

inline LoadedModel load_golden(const std::string& name, LanguageModelOptions options = {}, int threads = 2,
                               std::span<const KernelDef> kernels = cpu_kernels()) {
    return LoadedModel(source_path("tests/golden/" + name), options, threads, kernels);
}

}  // namespace vitro::test
