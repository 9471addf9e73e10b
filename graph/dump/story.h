// The whole story of one compilation: the graph after every pass, and why.
#pragma once

#include "graph/dump/repeat.h"
#include "graph/dump/subject.h"
#include "graph/pass.h"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace vitro {

/// A moment of the compilation. Stages between which no pass changed anything share one graph, and so do the stages of
/// phases that were compiled together: then its bounds are those of the first one. What tells of a stage asks
/// Story::subject for the phase's.
class Stage {
    struct Kept {
        Graph graph;
        std::once_flag asked{};
        std::vector<AlikeLayers> repeats{};  // once somebody has asked
    };

public:
    std::string name;      // "build", a pass, "program"
    std::string equation;  // what it does

private:
    std::shared_ptr<Kept> kept_;

public:
    const Graph& graph;

    Stage(std::string its_name, std::string its_equation, Graph its_graph)
        : name(std::move(its_name)),
          equation(std::move(its_equation)),
          kept_(new Kept{std::move(its_graph)}),
          graph(kept_->graph) {}
    /// With the graph of the stage before.
    Stage(std::string its_name, std::string its_equation, const Stage& before)
        : name(std::move(its_name)), equation(std::move(its_equation)), kept_(before.kept_), graph(kept_->graph) {}

    bool is_same_as(const Stage& other) const { return kept_ == other.kept_; }
    /// Of its graph, found when they are first asked for, by whichever thread.
    const std::vector<AlikeLayers>& repeats() const {
        std::call_once(kept_->asked, [&] { kept_->repeats = find_repeats(graph); });
        return kept_->repeats;
    }
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
