// The whole story of a compilation as one page that needs no network: the graph after every pass, to move and zoom,
// search and click. Its parts stand in graph/dump/html/.
#pragma once

#include "graph/dump/story.h"

#include <string>

namespace vitro {

std::string html_of(const Story& story);

}  // namespace vitro
