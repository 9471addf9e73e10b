// A graph as a table to read: one row a value with its type and what computes it, layers that are alike shown once. It
// is the text form (graph/text.h) and parses back to the same graph.
#pragma once

#include "graph/dump/subject.h"

#include <string>

namespace vitro {

/// `unfold` shows every layer. Comments tell devices, places and work where there is a program.
std::string listing(const Subject& subject, bool unfold = false);

}  // namespace vitro
