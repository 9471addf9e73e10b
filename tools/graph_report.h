// What `vitro graph` tells of the passes: why they fired or not, and how long they took.
#pragma once

#include "graph/pass.h"
#include "graph/program.h"
#include "tools/command.h"

#include <string>

namespace vitro {

/// Adds to the journal what is made of which tensors when a model is loaded, as findings of "split_load". `load` is a
/// program's load graph, or that of a LoadProgram.
void explain_load(const Graph& load, Journal& journal);
struct ExplainFlags {
    bool json = false;
    bool unfold = false;
};
/// Every candidate of every pass, and what became of every value; with a scope, a whole path, of those below it.
std::string explained(const PipelineReport& report, const ExplainFlags& flags, std::string_view scope = {});

/// --receipt and --expect: a gate that keeps fusions from being lost.
struct ReceiptFlags {
    std::filesystem::path receipt, expect;
};
void add_receipt_flags(const Command& command, ReceiptFlags& flags);
/// Writes the receipt and holds the report against the expected one, as the flags say; the exit code.
int check_receipts(const PipelineReport& report, const ReceiptFlags& flags, std::string_view graph,
                   std::string_view phase);
/// Time of every pass and, of a graph that was compiled, of every stage of compile(). `program` may be null.
std::string timed(const PipelineReport& report, const Program* program, bool json);

}  // namespace vitro
