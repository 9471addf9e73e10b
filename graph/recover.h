// The values of the graph that a model wrote, from a run of the program that was made of it.
//
// Most are gone from a program: a fused op computes them inside. What they are in the run is what the fused op's
// decomposition makes of that op's own inputs, so they are computed again from copies of these, outside of the run: by
// references, in the order of the decomposition. Which value of the decomposition is which one of the model's is found
// by walking both graphs from the values that they share up to their inputs, as long as the ops are the same.
#pragma once

#include "graph/elements.h"
#include "graph/program.h"
#include "graph/rewrite.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace vitro {

class Recovery {
public:
    /// What a path of the source graph stands for in a run.
    struct Found {
        ValueId id = -1;        // of graph()
        bool is_copied = true;  // the program has it in memory; else it is computed again
        std::string in;         // not empty: the path of the value of the program that is the same, or holds it
    };

    /// `source` is the graph that the passes were given, `program` what came of it, `journal` their report's; `host` a
    /// backend whose memory is the host's.
    Recovery(const Program& program, const Graph& source, const Journal& journal, Backend& host);

    /// The program's graph with every fused op in its decomposition. The program's values keep their paths.
    const Graph& graph() const { return graph_; }
    /// By path: the source graph's values that a run has, and besides them what only the program has, or its
    /// decompositions.
    const std::map<std::string, Found>& values() const { return values_; }
    /// Paths of the source graph that a step would compute and of which a run has nothing, because nothing wants them.
    /// What is computed from weights alone, when the model is loaded, is no part of a run.
    const std::vector<std::string>& lost() const { return lost_; }

    /// The values of the program that must be tapped (Executor::tap) to have these of graph(), left out weights, their
    /// views, and constants.
    std::vector<ValueId> taps_for(std::span<const ValueId> wanted) const;

    /// The elements of a value of the program, by its id there.
    using Read = std::function<Elements(ValueId of_program)>;
    /// Computes values of graph(), as of `symbols`, with `read` for what the program has. `take` is given each as soon
    /// as it is there, in topological order; what nothing needs any more is dropped.
    void compute(std::span<const ValueId> wanted, const SymbolValues& symbols, Backend& host, const Read& read,
                 const std::function<void(ValueId, const Elements&)>& take) const;

private:
    /// `at_load`: which nodes of `source` load runs.
    void match(const Graph& source, const std::vector<bool>& at_load);
    ValueId part_of(ValueId whole, NodeId parts, std::size_t part);
    /// Nodes of graph() that have to be computed again for these, by NodeId.
    std::vector<bool> needed_nodes(std::span<const ValueId> wanted) const;
    bool is_copied(ValueId id) const { return of_program_[static_cast<std::size_t>(id)] >= 0; }

    Graph graph_;
    std::vector<ValueId> of_program_;                     // by ValueId of graph_: the program's value, or -1
    std::vector<bool> is_computed_;                       // likewise: whether a step writes its memory
    std::map<std::pair<ValueId, NodeId>, NodeId> parts_;  // what part_of() has made
    std::map<std::string, Found> values_;
    std::vector<std::string> lost_;
};

}  // namespace vitro
