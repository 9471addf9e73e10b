// Mutations of graph files by their grammar.
#pragma once

#include "base/random.h"

#include <string>

namespace vitro::fuzz {

/// The text with one thing changed that a grammar of graph files knows: a value that is read, an op, a dtype, a size,
/// attributes, a line that is doubled, dropped or moved; or with a line that makes memory difficult: a view of a state,
/// an update, a return, constants and computed numbers where an op expects indices. Mostly the types that the ops then
/// infer are written in.
std::string mutate_graph(const std::string& text, Random& random);

}  // namespace vitro::fuzz
