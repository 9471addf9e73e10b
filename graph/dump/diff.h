// What a pass, or several, did to a graph: by path, which values appeared, vanished or are computed otherwise.
#pragma once

#include "graph/rewrite.h"

#include <string>
#include <vector>

namespace vitro {

struct GraphDiff {
    struct Change {
        std::string path;
        std::string before, after;  // what computes it, as text; one of them is empty where it appeared or vanished
        std::string fate;           // of a value that vanished: "elided in model.norm by fuse_norm_matmul"
    };
    std::string from, to;  // names of the stages
    std::vector<Change> appeared, vanished, changed;
    std::size_t same = 0;
};

GraphDiff diff(const Graph& from, const Graph& to, const Journal& journal);

/// For people: `+`, `-` and `~` lines; layers with the same change are shown once, unless `unfold`.
std::string text_of(const GraphDiff& diff, bool unfold = false);

/// "elided in model.layers.0.mlp.gated by fuse_gated_ffn"; empty when the value has no fate.
std::string fate_text(const Journal& journal, const std::string& path);

}  // namespace vitro
