// What must hold for every kernel of every op, by the op's own examples, on any backend.
#pragma once

#include "ops/check/op_case.h"

#include <functional>

namespace vitro::check {

/// Calls body(case) for every example of the op, each choice of dtypes, and as many draws of the examples' odd sizes.
void for_each_case(const OpDef& op, int draws, const std::function<void(OpCase& each)>& body);

/// How the kernel's outputs differ from the reference's, as "describe(): output 0, element …"; none when they agree
/// within kernel_tolerance, or decomposition_tolerance where the kernel rounds_between.
std::vector<std::string> differences(OpCase& each, const OpCase::Outputs& expected, const OpCase::Outputs& found,
                                     bool rounds_between = false);

struct KernelReport {
    std::size_t cases = 0;    // that ran
    std::size_t refused = 0;  // that the kernel says it does not take
    std::vector<std::string> complaints;
};

/// Runs the kernel on every case: it agrees with the reference within kernel_tolerance (where it
/// rounds_between, decomposition_tolerance), gives the same bits whatever
/// stood in the memory and when it writes in place, writes nothing else, takes sizes of 0, and has NaN and infinities
/// where the reference has them.
KernelReport check_kernel(const OpDef& op, const KernelDef& kernel, Backend& backend, int draws);

}  // namespace vitro::check
