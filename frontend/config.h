// Hugging Face's config.json and generation_config.json. Old keys (rope_theta, rope_scaling, torch_dtype) and new ones
// (rope_parameters, dtype) give the same result; absent keys take the defaults that transformers 5.24 gives the
// architecture. Whatever cannot be run is an Error here, not later.
#pragma once

#include "models/config.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace vitro {

/// Which tokens begin and end a text, and how its author suggests to sample. A field without value was not given, or is
/// one of `ignored`.
struct GenerationConfig {
    std::optional<std::int64_t> bos_token_id;  // all ids are in [0, vocab_size)
    std::optional<std::int64_t> pad_token_id;
    std::vector<std::int64_t> eos_token_ids;  // any of them ends the text; may be empty

    std::optional<bool> do_sample;
    std::optional<double> temperature;         // >= 0
    std::optional<std::int64_t> top_k;         // >= 0, 0: all
    std::optional<double> top_p;               // in [0, 1]
    std::optional<double> min_p;               // in [0, 1]
    std::optional<double> repetition_penalty;  // > 0

    /// What is out of range, and so does not count, as errors would say it: no suggestion keeps a model from running.
    std::vector<std::string> ignored;

    bool operator==(const GenerationConfig&) const = default;
};

/// Reads `directory`/config.json, or a GGUF file's metadata in its place. Error, by the key's name, where one changes
/// the result in architectures that heed it, and this one does not (frontend/config_keys.h).
ModelConfig read_model_config(const std::filesystem::path& directory);

/// Reads `directory`/generation_config.json, if there is one. Token ids that it leaves out come from config.json, then
/// from the architecture's defaults as far as the vocabulary has them; an explicit null stays "none".
GenerationConfig read_generation_config(const std::filesystem::path& directory, const ModelConfig& model);

}  // namespace vitro
