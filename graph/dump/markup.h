// Text within SVG, HTML and Graphviz labels.
#pragma once

#include <string>
#include <string_view>

namespace vitro {

/// The text as an element's content or an attribute in double quotes: newlines as references, so that they stay.
std::string escaped(std::string_view text);

}  // namespace vitro
