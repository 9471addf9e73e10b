#include "graph/dump/story.h"

namespace vitro {

const Stage& Story::stage(std::string_view name) const {
    std::string known;
    for (const Stage& each : stages) {
        if (each.name == name) return each;
        known += fmt::format("{}{}", known.empty() ? "" : ", ", each.name);
    }
    fail("no stage is called '{}'; there are {}", name, known);
}

Subject Story::subject(const Stage& stage, const Graph& graph) const {
    const bool is_planned = &stage == &stages.back();
    return {graph, *backend, is_planned ? &program : nullptr, &report.journal, phase, stage.name, program.graph.bounds};
}

}  // namespace vitro
