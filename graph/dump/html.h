// The whole story of a compilation as one page that needs no network: the graph after every pass, to move and zoom,
// search and click. Its parts stand in graph/dump/html/. Drawing and charts are its own: no library of Debian's lays
// out modules within modules whose lines enter through ports, and a bar or a square is a line of SVG.
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
    bool is_of_steps = false;           // of the program's steps, which the nodes of earlier stages became part of
    std::map<std::string, Mark> marks;  // by a value's path
    std::vector<std::pair<std::string, std::string>> drawings;  // heading, SVG
};

struct HtmlPage {
    /// What the page can be switched between, called by these names, or by their phases where there are none.
    std::vector<const Story*> programs;
    std::vector<std::string> names;
    /// Which of them is shown at first.
    std::size_t start = 0;
    const Paint* paint = nullptr;
    /// JSON of a run, as tools/trace.cpp writes it; empty where there was none.
    std::string run;
    /// Of the page's own words: "en" or "zh".
    std::string language = "en";
    /// The programs side by side, by their order: JSON of graph/dump/side_by_side.h; empty where they are one model's.
    std::string comparison;
};

std::string html_of(const HtmlPage& page);
/// The page of one program alone.
std::string html_of(const Story& story, const Paint* paint = nullptr);

}  // namespace vitro
