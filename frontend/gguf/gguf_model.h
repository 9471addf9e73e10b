// What a GGUF file says of its model, in the words of Hugging Face's files: the same readers take both.
#pragma once

#include "frontend/gguf/gguf.h"
#include "frontend/json.h"
#include "frontend/tokenizer/gguf_vocabulary.h"

#include <string>
#include <string_view>

namespace vitro {

/// The metadata as config.json has it, errors in which name the file. Error for an architecture that is not known.
JsonValue gguf_config(const GgufFile& file);

/// Whether the rows of the q and k projections stand in pairs: llama.cpp turns neighbours where transformers turns
/// halves, and its files for Llama are sorted so.
bool has_paired_rows(const GgufFile& file);

/// A tensor's name as transformers has it: "model.layers.3.self_attn.q_proj.weight" for "blk.3.attn_q.weight". Empty
/// for tensors that are no weights but belong to the configuration, such as "rope_freqs.weight". Names that are not
/// known stay as they are.
std::string model_tensor_name(std::string_view gguf_name, std::string_view architecture);

/// The inverse: the name that a GGUF file has for a weight of a model; empty where there is none.
std::string gguf_tensor_name(std::string_view model_name, std::string_view architecture);

/// The metadata's tokenizer.
GgufVocabulary gguf_vocabulary(const GgufFile& file);

}  // namespace vitro
