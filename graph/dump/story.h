// The whole story of one compilation: the graph after every pass, and why.
#pragma once

#include "graph/dump/subject.h"
#include "graph/pass.h"

#include <string>
#include <vector>

namespace vitro {

struct Stage {
    std::string name;      // "build", a pass, "program"
    std::string equation;  // what it does
    Graph graph;
};

struct Story {
    std::string phase;
    std::vector<Stage> stages;  // "build", the passes that ran, "program"
    PipelineReport report;
    Program program;  // the last stage's: its graph, together with what runs once at load
    Backend* backend = nullptr;

    /// Error when there is no such stage, naming those there are.
    const Stage& stage(std::string_view name) const;
    Subject subject(const Stage& stage, const Graph& graph) const;
    Subject subject(const Stage& stage) const { return subject(stage, stage.graph); }
};

}  // namespace vitro
