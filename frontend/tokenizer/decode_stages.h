// The stages that decoders are made of, each as Hugging Face's tokenizers have it.
#pragma once

#include "frontend/tokenizer/decoder.h"
#include "frontend/tokenizer/pattern.h"

namespace vitro {

std::unique_ptr<DecodeStage> decode_join(std::string between);
std::unique_ptr<DecodeStage> decode_byte_fallback();
std::unique_ptr<DecodeStage> decode_byte_level();
/// Everything from here on is one token.
std::unique_ptr<DecodeStage> decode_fuse();
/// Drops up to `start` times `content` (one character) at the start of each token, and up to `stop` at its end.
std::unique_ptr<DecodeStage> decode_strip(std::string content, std::size_t start, std::size_t stop);
std::unique_ptr<DecodeStage> decode_replace(Pattern pattern, std::string content);
/// `mark` is a space; in the first token, when `strips`, it is nothing.
std::unique_ptr<DecodeStage> decode_metaspace(std::string mark, bool strips);
std::unique_ptr<DecodeStage> decode_wordpiece(std::string prefix, bool cleanup);
std::unique_ptr<DecodeStage> decode_bpe(std::string suffix);
std::unique_ptr<DecodeStage> decode_ctc(std::string pad, std::string word_delimiter, bool cleanup);

}  // namespace vitro
