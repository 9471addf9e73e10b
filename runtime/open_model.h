// Opens a model directory for running: configuration, devices and weights, from a few options that have defaults.
#pragma once

#include "frontend/config.h"
#include "runtime/devices.h"
#include "runtime/language_model.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace vitro {

struct OpenOptions {
    std::string device = "auto";      // as open_devices takes it
    int threads = 0;                  // of the CPU; 0: one per core
    std::string kernels;              // of the CPU, as open_devices takes it
    std::optional<DType> activation;  // without: f32 on the CPU, on a GPU what the checkpoint's weights are
    std::optional<DType> cache;       // without: f16 on the CPU of what writes, else as the activations
    std::optional<DType> weights;     // without: as stored; f8e4m3 with a scale per row, or a type of blocks
    LanguageModelOptions model;       // for all else; its types and choose_tokens follow from the above
};

/// The options of a model that runs on these devices. Error where they have no kernels for the type of the cache.
LanguageModelOptions model_options(const OpenOptions& options, const ModelConfig& config, const Devices& devices);

/// A model that is ready to run. The devices live as long as the model; their warnings say what went wrong without
/// making opening fail.
struct OpenModel {
    ModelConfig config;
    GenerationConfig generation;
    Devices devices;
    std::unique_ptr<LanguageModel> model;
};

/// `directory` as Hugging Face saves it.
OpenModel open_model(const std::filesystem::path& directory, const OpenOptions& options = {});

/// The weights in a directory; empty when it has none.
std::optional<Checkpoint> checkpoint_if_any(const std::filesystem::path& directory);

}  // namespace vitro
