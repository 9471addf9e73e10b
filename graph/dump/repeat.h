// Layers that are alike, so that a dump can show one of them for all.
#pragma once

#include "graph/graph.h"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// Layers `first` to `last` of `layers` ("model.layers"): the same nodes, weights and modules in the same order, equal
/// but for their number, what they take from the layer before, and (in the first one) what stands for that. After the
/// last one's nodes may come others with paths in it; they do not belong to the repeat.
struct AlikeLayers {
    std::string layers;
    std::int64_t first = 0, last = 0;
    /// What a layer has: ".mlp.gated" for a value, ".mlp." for a module, "." for the layer itself.
    std::set<std::string, std::less<>> members;
    /// What the first layer reads where the others read a value of the layer before: ("mlp_residual",
    /// "model.embed_tokens").
    std::map<std::string, std::string> carried;

    std::int64_t count() const { return last - first + 1; }
    /// "model.layers.3"
    std::string layer(std::int64_t index) const;
    /// "model.layers.0-31"
    std::string name() const;
    /// The layer that the value `path` belongs to, or -1 when it is none of these. For a module: its path and a dot.
    std::int64_t index_of(std::string_view path) const;
    /// `path` as layer `index` says it: ".mlp.gated" of its own, "previous.mlp_residual" of the layer before, else
    /// whole.
    std::string relative(std::string_view path, std::int64_t index) const;
};

/// The repeats of a graph, each of two layers or more.
std::vector<AlikeLayers> find_repeats(const Graph& graph);

/// Where a path's layer number stands: "model.layers.3.mlp" is 3 of "model.layers". The number is never the last part.
struct LayerOfPath {
    std::string_view layers;
    std::int64_t index = -1;
};
/// index -1 when the path names no layer.
LayerOfPath layer_of(std::string_view path);

}  // namespace vitro
