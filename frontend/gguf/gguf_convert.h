// A model, whatever it is stored as, written as a GGUF file.
#pragma once

#include "frontend/gguf/gguf_presets.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace vitro {

struct GgufConversion {
    std::size_t tensors = 0;
    std::size_t bytes = 0;  // of the file
    std::vector<std::string> warnings;
};

/// Writes `model`, a directory or a GGUF file, to `out`, its weights as the preset says, all else as it is. The file
/// appears under its name when it is complete. `progress` is told the numbers written and all that there are. Error for
/// a model that cannot be read or has no place in such a file, and for a weight that is finite but not so in the type.
GgufConversion convert_to_gguf(const std::filesystem::path& model, const std::filesystem::path& out,
                               const GgufPreset& preset, int threads,
                               const std::function<void(std::size_t done, std::size_t all)>& progress = nullptr);

}  // namespace vitro
