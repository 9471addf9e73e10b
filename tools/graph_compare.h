// `vitro graph --compare`: graphs side by side, with the errors of runs.
#pragma once

#include "graph/dump/side_by_side.h"
#include "runtime/open_model.h"
#include "tools/story.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vitro {

struct GraphCompareFlags {
    std::vector<std::string> sides;  // "KEY=VALUE,…", a model directory, or a graph file
    std::string prompt;              // to run on all of them
    std::vector<std::int32_t> tokens;
    std::optional<std::int64_t> predict;  // without: 1 of a decode step, else 0
};

/// The compilations, with what they need to live on.
struct ComparedStories {
    std::vector<std::unique_ptr<Devices>> devices;
    std::vector<OpenModel> models;  // where they were run
    std::vector<std::unique_ptr<Story>> stories;
    SideBySide table;
};

/// `shared` is what the sides do not say otherwise, `after` the stage that is compared: of a side that leaves that pass
/// out, the stage before.
ComparedStories compare_graphs(const GraphCompareFlags& flags, const StoryFlags& shared, const std::string& after);

}  // namespace vitro
