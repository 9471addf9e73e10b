// The bundled model on the emulated GPU and on the CPU.
#pragma once

#include "backends/cuda/devices.h"
#include "ops/cuda_kernels.h"
#include "runtime/generator.h"
#include "tests/paths.h"
#include "tests/runtime/goldens.h"

namespace vitro::test {

inline std::filesystem::path bundled_directory() { return source_path("models/bundled/tiny-phi3"); }

/// A model on the emulated GPU, with the CPU for what has no kernel there.
struct CudaModel {
    std::unique_ptr<Backend> device = cuda_emulated::make_backend();
    CpuBackend host{1};
    LanguageModel model;

    explicit CudaModel(const std::filesystem::path& directory, const LanguageModelOptions& options)
        : model(directory, read_model_config(directory), {{*device, cuda_emulated::kernels()}, {host, cpu_kernels()}},
                options) {}

    const Recording* replayed() { return model.executor(Phase::decode).replayed(); }
};

/// The bundled model's continuation of a text.
inline std::vector<std::int32_t> continuation(LanguageModel& model, const std::string& prompt,
                                              const SamplingOptions& sampling, std::int64_t count) {
    const Tokenizer tokenizer = Tokenizer::load(bundled_directory(), model.config().vocab_size);
    GenerationOptions options;
    options.max_tokens = count;
    options.sampling = sampling;
    return generate(model, 0, tokenizer, tokenizer.encode(prompt), options, [](std::string_view) {}).tokens;
}

}  // namespace vitro::test
