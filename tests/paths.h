// Where the tests find the project's files and the binary. The only code that knows: no other object depends on the folder
// that the project lies in, so that a compiler cache serves every clone.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace vitro::test {

/// A file or folder of the project, by its path from the project's root.
std::filesystem::path source_path(std::string_view relative = "");

/// The binary, vitro.
std::string vitro_binary();

}  // namespace vitro::test
