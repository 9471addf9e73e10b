// A list of what is said of a graph's values, as a page gets it: what many layers say alike stands there once.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// Entries are flat lists of JSON values and, behind those, of as many numbers as all entries have. The JSON is a list
/// of blocks, {"items":[[values],…],"numbers":[those of all items]}. A block of layers has "layers" ("model.layers"),
/// "first" and "last", too: in its strings, \u0001 stands for the layer ("model.layers.3") and \u0002 for the one
/// before; its numbers are the first layer's, and grow by "steps" from layer to layer. graph/dump/html/story.js unfolds
/// it.
class FoldedList {
public:
    /// An entry about a value, or about a module, whose path gets a dot: `values` are JSON, separated by commas.
    /// Entries of a layer that follow each other make a block, which is folded with that of the layer before if both
    /// say the same.
    void add(std::string_view path, std::string_view values, std::initializer_list<std::int64_t> numbers = {});
    /// The JSON of all entries; there can be no more afterwards.
    std::string take();

private:
    struct Block {
        std::string layers;
        std::int64_t index = -1;  // of the layer; -1: of none
        std::string items;
        std::vector<std::int64_t> numbers;
    };

    void end_block();
    bool continues_run() const;
    void write_run();

    Block block_;                      // that entries are added to
    Block run_;                        // the first of those that are folded
    std::int64_t last_ = -1;           // layer of the run
    std::vector<std::int64_t> steps_;  // of the run, once it has two layers
    std::vector<std::int64_t> last_numbers_;
    std::string json_;
};

}  // namespace vitro
