// What `vitro graph` tells of the passes: why they fired or not, and how long they took.
#pragma once

#include "graph/pass.h"

#include <string>

namespace vitro {

/// Every candidate of every pass, and what became of every value.
std::string explained(const PipelineReport& report, bool json);
/// Time and nodes of every pass.
std::string timed(const PipelineReport& report, bool json);

}  // namespace vitro
