// The flags of the subcommands that run passes and steps: which passes, and what to check them with.
#pragma once

#include "graph/check_numerics.h"
#include "graph/pass.h"
#include "tools/command.h"

#include <optional>
#include <string>
#include <vector>

namespace vitro {

/// --symbol and --seed: a step that is made up.
struct SyntheticFlags {
    SymbolValues symbols;  // those named, 0 for the others
    std::uint64_t seed = 0;
};
void add_synthetic_flags(const Command& command, SyntheticFlags& flags);
/// The sizes, as they are for `graph`. Error when one is not of a symbol of it.
SymbolValues symbol_values(const SyntheticFlags& flags, const Graph& graph);

struct PassFlags {
    std::vector<std::string> passes;    // run only these
    std::vector<std::string> disabled;  // leave these out
    bool check_numerics = false;
    SyntheticFlags synthetic;  // for check_numerics
};
void add_pass_flags(const Command& command, PassFlags& flags);

/// The passes chosen. UsageError when one is not there.
PipelineOptions pipeline_options(const PassFlags& flags);

/// What the flags want checked while passes run.
class PassChecks {
public:
    /// `host` runs the graph; both must outlive it.
    PassChecks(const PassFlags& flags, Backend& host) : flags_(flags), host_(host) {}

    /// For PipelineOptions::after. Error when --symbol does not fit the graph, or a pass has changed a value.
    void after(const Pass* pass, const Graph& now);
    /// Prints the outcome of --check-numerics to stderr, if it was asked for.
    void print(const PipelineReport& report) const;

private:
    const PassFlags& flags_;
    Backend& host_;
    std::string symbols_;  // of the graph as given
    std::optional<NumericsCheck> check_;
};

}  // namespace vitro
