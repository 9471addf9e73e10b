// The whole story of a compilation as one page that needs no network: the graph after every pass, to move and zoom,
// search and click. Its parts stand in graph/dump/html/.
#pragma once

#include "graph/dump/story.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace vitro {

/// Numbers of a run, which the page colours its boxes by, and drawings of them.
struct Paint {
    struct Mark {
        double value = 0;
        std::string text;  // on the box: "nmse 1.2e-3"
    };
    std::string title;  // what the numbers are: "error against side a"
    bool is_logarithmic = false;
    double least = 0, most = 1;         // the ends of the scale, above 0 where it is logarithmic
    std::map<std::string, Mark> marks;  // by a value's path
    std::vector<std::pair<std::string, std::string>> drawings;  // heading, SVG
};

std::string html_of(const Story& story, const Paint* paint = nullptr);

}  // namespace vitro
