// Every op there is, and the kernels of each backend: explicit lists, one row an op.
#pragma once

#include "graph/op_def.h"

#include <span>

namespace vitro {

/// All ops, by room and name.
std::span<const OpDef* const> all_ops();

/// The op with this name, or null.
const OpDef* find_op(std::string_view name);

/// The CPU's kernels.
std::span<const KernelDef> cpu_kernels();

}  // namespace vitro
