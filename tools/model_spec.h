// One side of a comparison, as the command line says it: what differs from the flags that both sides share.
#pragma once

#include "tools/common.h"

#include <string>

namespace vitro {

/// A model and the passes that it is compiled with.
struct ModelSpec {
    ModelFlags model;
    PipelineOptions passes;
};

/// `text`: KEY=VALUE, apart by commas, of model, device, threads, cpu-kernels, weights, activations, kv-type,
/// exact and passes. passes is "none", or names with a sign before each: -fuse_bias leaves one out, +fuse_bias takes
/// one in that "none" or its being optional leaves out. Empty: as `shared`. UsageError that names the side.
ModelSpec parse_model_spec(std::string_view side, const std::string& text, const ModelFlags& shared);

/// "models/x, cpu, activations bf16, passes -fuse_bias", for reports.
std::string text_of(const ModelSpec& spec);

}  // namespace vitro
