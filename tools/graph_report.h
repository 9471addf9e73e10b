// What `vitro graph` tells of the passes: why they fired or not, and how long they took.
#pragma once

#include "graph/pass.h"
#include "graph/program.h"

#include <string>

namespace vitro {

/// Every candidate of every pass, and what became of every value; with a scope, a whole path, of those below it.
std::string explained(const PipelineReport& report, bool json, std::string_view scope = {});
/// Time of every pass and, of a graph that was compiled, of every stage of compile(). `program` may be null.
std::string timed(const PipelineReport& report, const Program* program, bool json);

}  // namespace vitro
