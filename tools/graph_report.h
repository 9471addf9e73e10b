// What `vitro graph` tells of the passes: why they fired or not, and how long they took.
#pragma once

#include "graph/pass.h"
#include "graph/program.h"

#include <string>

namespace vitro {

/// Adds to the journal what a program's weights are made of when the model is loaded, as findings of "split_load".
void explain_load(const Program& program, Journal& journal);
/// Every candidate of every pass, and what became of every value; with a scope, a whole path, of those below it.
std::string explained(const PipelineReport& report, bool json, std::string_view scope = {});
/// Time of every pass and, of a graph that was compiled, of every stage of compile(). `program` may be null.
std::string timed(const PipelineReport& report, const Program* program, bool json);

}  // namespace vitro
