// Everything that must hold for every op, whoever wrote it, by its own examples: what the tests run over all ops and
// `vitro ops --check` over one.
#pragma once

#include "graph/program.h"
#include "ops/check/op_case.h"

#include <string>
#include <string_view>
#include <vector>

namespace vitro::check {

struct CheckResult {
    std::string name;       // "kernel on cpu"
    std::size_t cases = 0;  // that were looked at
    std::vector<std::string> complaints;
};

/// All checks that apply to the op, in order; the kernels of each target, `draws` draws of the examples' odd sizes.
std::vector<CheckResult> check_op(const OpDef& op, std::span<const Target> targets, int draws);

/// How the op's decomposition, run with references, differs from its own reference in this case; empty when it does
/// not.
std::string decomposition_difference(const OpDef& op, OpCase& each);

}  // namespace vitro::check
