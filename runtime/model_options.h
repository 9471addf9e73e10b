// How a model will run: upper bounds, types, and what its programs must be able to do.
#pragma once

#include "graph/pass.h"
#include "models/model.h"

#include <cstddef>
#include <functional>
#include <string_view>

namespace vitro {

struct LanguageModelOptions {
    std::int64_t context = 0;        // longest sequence in tokens; 0: the model's own, at most 4096
    std::int64_t max_sequences = 1;  // in the cache at the same time
    std::int64_t chunk = 128;        // tokens of prompts that one step takes; where tokens see what follows them, at
                                     // least the context
    std::int64_t cache_tokens = 0;   // that the cache has pages for, of all sequences; 0: for each its whole context
    bool all_logits = false;         // whether a step may want the rows of all its tokens
    bool hidden_states = false;      // whether a step may want hidden states; of a model without a head it may
    bool choose_tokens = false;      // whether the device may choose the next tokens
    DType activation = DType::f32;   // the type of all values between embedding and logits
    DType cache = DType::f32;        // the type of the KV cache; may be f8e4m3 or q8_0
    bool verify_plan = false;        // whether check_plan checks the programs
    PipelineOptions passes;          // passes to leave out; they run once for all phases
    /// Called now and then while weights are loaded: the bytes loaded so far, and the bytes of all weights.
    std::function<void(std::size_t done, std::size_t all)> progress;
};

/// The options with every default filled in for a model. Error when the context is longer than the model allows.
LanguageModelOptions completed(LanguageModelOptions options, const ModelConfig& config);

enum class Phase : std::uint8_t {
    prefill,  // chunks of prompts
    decode,   // one token of each sequence
};
/// "prefill", "decode".
std::string_view name(Phase phase);

/// Options for building the naive graph of a phase. `weight_dtype`: as in BuildOptions.
BuildOptions build_options(const LanguageModelOptions& completed_options, Phase phase,
                           std::function<DType(std::string_view)> weight_dtype);

}  // namespace vitro
