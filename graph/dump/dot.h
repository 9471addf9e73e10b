// A graph in Graphviz' language: a cluster for each module, a box for each node, coloured by what it does, framed by
// the device that does it; edges say the shapes. Layers that are alike are drawn once.
#pragma once

#include "graph/dump/subject.h"

#include <string>

namespace vitro {

/// `unfold` draws every layer.
std::string dot_of(const Subject& subject, bool unfold = false);

/// Colours as "#rrggbb", of nodes by their work and of values by their kind.
std::string_view colour_of(Work work);
std::string_view colour_of(ValueKind kind);

}  // namespace vitro
