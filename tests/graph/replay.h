// A second opinion on a program's memory: replays its steps over a map of who wrote each byte last, and complains when
// a step would read what another value has overwritten. Shares no code with the planner.
#pragma once

#include "graph/program.h"

#include <string>
#include <vector>

namespace vitro::testing {

/// What is wrong with the places of a program's values, at the symbols' bounds; nothing when all is well.
std::vector<std::string> replay(const Program& program);

}  // namespace vitro::testing
