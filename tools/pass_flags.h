// The flags of the subcommands that run passes and steps: which passes, and what to check them with.
#pragma once

#include "graph/check_numerics.h"
#include "graph/pass.h"

#include <CLI/CLI.hpp>

#include <optional>
#include <string>
#include <vector>

namespace vitro {

/// --symbol and --seed: a step that is made up.
struct SyntheticFlags {
    std::vector<std::string> symbols;  // T=4
    std::uint64_t seed = 0;
};
void add_synthetic_flags(CLI::App& app, SyntheticFlags& flags);
/// Sizes of the symbols named, 0 for the others. Error when one is not like T=4 or not a symbol of `graph`.
SymbolValues symbol_values(const SyntheticFlags& flags, const Graph& graph);

struct PassFlags {
    std::vector<std::string> passes;    // run only these
    std::vector<std::string> disabled;  // leave these out
    bool check_numerics = false;
    SyntheticFlags synthetic;  // for check_numerics
};
void add_pass_flags(CLI::App& app, PassFlags& flags);

/// The passes chosen. An unknown name is among `disabled`, so that run_passes refuses it.
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
