// Calls of the sizes that models make, where the examples of OpDef are small and ragged.
#pragma once

#include "graph/op_def.h"

#include <string_view>
#include <vector>

namespace vitro::check {

/// Calls of an op as a step of Phi-3-mini has them, in bf16: those of decode steps of 1 and of 4 sequences with 500
/// tokens each, and those of a prefill of 64 tokens. Of long weights there is a part. None for an op that is not known
/// here.
std::vector<Example> model_calls(std::string_view op);

}  // namespace vitro::check
