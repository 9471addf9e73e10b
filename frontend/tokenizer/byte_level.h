// Byte-level vocabularies spell each byte as a printable character (Radford et al. 2019): "Ġ" for a space.
#pragma once

#include <optional>
#include <string_view>

namespace vitro {

/// The character of `byte`, in UTF-8.
std::string_view byte_level_char(char byte);

/// The byte that a character stands for, if it does for one.
std::optional<unsigned char> byte_of_char(char32_t c);

}  // namespace vitro
