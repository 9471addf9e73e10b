// Calls of the sizes that models make, where the examples of OpDef are small and ragged.
#pragma once

#include "graph/op_def.h"

#include <string_view>
#include <vector>

namespace vitro::check {

/// Calls of an op as a step of Phi-3-mini has them, in bf16: those of decode steps of 1 sequence with 500 tokens and of
/// 8 with 250 each, and those of a prefill of 64 tokens; of products with weights also those of 16 and of 32 sequences
/// and of a prefill of 80 tokens, which take other kernels. Of long weights and tables there is a part. None for an op
/// that is not known here.
std::vector<Example> model_calls(std::string_view op);

}  // namespace vitro::check
