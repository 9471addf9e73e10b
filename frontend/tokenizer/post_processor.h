// The tokens that are put around a text, such as the one that begins it.
#pragma once

#include "frontend/json.h"

#include <cstdint>
#include <vector>

namespace vitro {

struct PostProcessor {
    std::vector<std::int32_t> before;
    std::vector<std::int32_t> after;
    bool operator==(const PostProcessor&) const = default;
};

/// The "post_processor" of a tokenizer.json, with the meaning it has in Hugging Face's tokenizers for one text. Error,
/// by name, for one that is not known, and for ids outside [0, vocab_size).
PostProcessor read_post_processor(const JsonValue& value, std::int64_t vocab_size);

}  // namespace vitro
