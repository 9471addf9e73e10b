// The load program: what is split off the programs of a model (graph/split_load.h), equal nodes once. Runs before all
// others, when the model is loaded.
#pragma once

#include "graph/program.h"

#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace vitro {

/// The graph that a program was made of: its load nodes again, each in front of the first node that needs it.
Graph joined(const Program& program);

/// The load program of a model's programs. The weights of its graph are tensors of the checkpoint; its results, in the
/// region `io`, are all weights of the programs but those that stand where their files are mapped.
class LoadProgram {
public:
    /// `targets` as the programs were compiled for; Error when the last is not the host: what is computed is computed
    /// there and copied to the device that wants it. An op that only joins its inputs (OpDef::joins_inputs) runs on
    /// that device, if it has a kernel, so that each input is copied straight to its place.
    LoadProgram(std::span<const Program* const> programs, std::span<const Target> targets);

    const Program& program() const { return program_; }

    /// What the weights of a step's program are, in their order: results of program().graph or, where a weight is used
    /// as its file has it, weights. `step` is one of the programs that this was made for, or a copy.
    std::vector<ValueId> weights_of(const Program& step) const;
    /// Whether a weight of program().graph is used by a step where its file is mapped.
    bool is_mapped(ValueId weight) const { return mapped_.contains(program_.graph.value(weight).path); }

private:
    class Maker;
    std::map<std::string, int> numbers_;  // of what is computed, by its text: equal things have one number
    std::map<std::pair<std::size_t, int>, std::string> paths_;  // in program_.graph, by device and number
    std::set<std::string, std::less<>> mapped_;                 // paths
    Program program_;
};

}  // namespace vitro
