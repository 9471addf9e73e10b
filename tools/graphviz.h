// Graphviz' program `dot`, which draws graphs.
#pragma once

#include <string>

namespace vitro {

/// `source` drawn as SVG. Error when there is no `dot`, or it fails.
std::string svg_of(const std::string& source);

}  // namespace vitro
