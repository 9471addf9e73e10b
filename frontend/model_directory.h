// What is wrong with a path that should be a model's directory, and what was probably meant.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace vitro {

/// Error, with what to do, when the path is no directory, or is one that holds models instead of being one: a file of a
/// model, an organization and a name of the Hugging Face hub, a folder of the hub's cache. Other directories pass.
void require_model_directory(const std::filesystem::path& directory);

/// The models that `./dev fetch` gets; each has a directory of its name.
inline constexpr std::array<std::string_view, 3> kFetchedModels{"gemma3-270m", "minilm", "smollm2"};

/// What `given` is where something is there; else, of a plain name, the model that a directory of that name in one of
/// `places` has: its model.gguf, or the directory itself, with a config.json. As it is where there is none.
std::filesystem::path find_model(const std::filesystem::path& given, std::span<const std::filesystem::path> places);

/// Why a directory may lack model.safetensors, to be appended to an error that says so: weights in another format.
/// Empty when nothing is known.
std::string weights_hint(const std::filesystem::path& directory);

/// Error when `bytes`, with which the file `path` begins, are a git-lfs pointer in place of the file that is meant.
void refuse_lfs_pointer(std::string_view bytes, const std::filesystem::path& path);

/// A file of a model, whole, as read_file gives it. Error when it is a git-lfs pointer.
std::string read_model_file(const std::filesystem::path& path, std::size_t max_bytes);

}  // namespace vitro
