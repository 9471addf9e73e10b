// Segmentation by libsentencepiece (Kudo and Richardson 2018), which also normalizes: its BPE merges by score.
#pragma once

#include "frontend/tokenizer/sentencepiece_file.h"
#include "frontend/tokenizer/token_model.h"

#include <memory>
#include <string_view>

namespace vitro {

/// The library puts a space in front of each text when `dummy_prefix`. Error, which opens with `where`, when `data` is
/// not sound or the library refuses it.
std::unique_ptr<TokenModel> make_sentencepiece(const SentencePieceData& data, bool dummy_prefix,
                                               std::string_view where);

}  // namespace vitro
