// The tensors of a model's files, and what else those say.
#pragma once

#include <filesystem>
#include <string>

namespace vitro {

/// One line per tensor: name, type, shape, bytes; before them the metadata. `model` is a directory or a GGUF file. With
/// `json` the same as JSON.
std::string tensor_list(const std::filesystem::path& model, bool json);

}  // namespace vitro
