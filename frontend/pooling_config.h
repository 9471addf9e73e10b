// What a text's vector is made of: the files of sentence-transformers beside a model.
#pragma once

#include "models/config.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace vitro {

/// How the hidden states of a text's tokens become one vector.
struct Pooling {
    enum class Kind : std::uint8_t { mean, first, last };
    Kind kind = Kind::mean;
    bool normalize = false;                  // to length 1
    std::optional<std::int64_t> max_tokens;  // longer texts are cut
    std::string prompt = {};                 // put before every text
    bool operator==(const Pooling&) const = default;
};

/// What modules.json, the pooling module's config.json, sentence_bert_config.json and config_sentence_transformers.json
/// say. Without the first, the mean where tokens see the whole text, else the last token, which alone does; normalized.
/// Error for modules and kinds of pooling that are not known, and for what else changes vectors and is not done.
Pooling read_pooling(const std::filesystem::path& directory, const ModelConfig& model);

}  // namespace vitro
