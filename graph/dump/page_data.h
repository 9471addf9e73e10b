// What a page is told of a program: JSON, of which graph/dump/html/story.js makes stages, nodes and values again.
#pragma once

#include "graph/dump/html.h"

#include <string>

namespace vitro {

/// The story as the data of a script element, with the numbers to colour by if there are any. A node or value that is
/// the same in several stages stands there once. Of layers that are alike, one stands for all but the first and the
/// last.
std::string page_data(const Story& story, const Paint* paint);

}  // namespace vitro
