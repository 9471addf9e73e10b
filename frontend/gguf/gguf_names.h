// What a GGUF file and transformers call a model's tensors.
#pragma once

#include <string>
#include <string_view>

namespace vitro {

/// What both call a thing, and what one architecture's files and transformers do.
struct Renamed {
    std::string_view gguf, transformers;
};
struct RenamedIn {
    std::string_view architecture, gguf, transformers;
};

/// A tensor's name as transformers has it: "model.layers.3.self_attn.q_proj.weight" for "blk.3.attn_q.weight". Empty
/// for tensors that are no weights but belong to the configuration, such as "rope_freqs.weight". Names that are not
/// known stay as they are.
std::string model_tensor_name(std::string_view gguf_name, std::string_view architecture);

/// The inverse: the name that a GGUF file has for a weight of a model; empty where there is none. For
/// the architectures that `vitro convert` writes.
std::string gguf_tensor_name(std::string_view model_name, std::string_view architecture);

}  // namespace vitro
