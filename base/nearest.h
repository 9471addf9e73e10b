// The name that somebody meant who wrote another one.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace vitro {

/// The one of `known` with the fewest edits (insertions, deletions, substitutions, swaps of neighbours) from `name`;
/// empty when even that one is so far that it can hardly be meant: more than a third of its letters. Letter case counts
/// as equal. Names that begin or end with a `name` of at least three letters are near too.
std::string_view nearest(std::string_view name, std::span<const std::string_view> known);

/// The one of `known`, paths with dots, whose end is nearest to `path`: as many parts of it as that one has. Empty as
/// for names.
std::string_view nearest_path(std::string_view path, std::span<const std::string_view> known);

/// ": did you mean 'x'?" with the nearest name, or nothing: the end of an error.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> known);
std::string did_you_mean_path(std::string_view path, std::span<const std::string_view> known);

}  // namespace vitro
