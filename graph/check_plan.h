// A second opinion on a program's memory, from the program alone: shares no code with assign_devices, schedule, arena
// or plan.
#pragma once

#include "graph/program.h"

#include <string>
#include <vector>

namespace vitro {

/// What is wrong with a program, at the symbols' bounds, one line each; nothing when all is well. Every place must lie
/// in its region, aligned and large enough, on the device of the step that writes it; then the steps are replayed over
/// a map of which value's bytes stand where, and it is an error when
/// - a step reads, or the caller or the next step of the model will read, what another value has overwritten,
/// - a step writes where it reads (unless its op may) or where the weights are,
/// - a node has no step, two, or one before what it needs.
std::vector<std::string> check_plan(const Program& program);

/// Error with what check_plan found first, and how much more there is.
void require_sound(const Program& program);

}  // namespace vitro
