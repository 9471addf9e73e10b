// One value of a graph by the ops' references, from values that are known by their paths.
#pragma once

#include "graph/interpret.h"

#include <functional>
#include <span>

namespace vitro {

/// The elements of a value that is known; null: it is to be computed.
using Known = std::function<const Elements*(const ValueInfo& value)>;

/// Computes only what is not known, going back from `wanted`. Inputs, weights and states must be known.
Elements evaluate(const Graph& graph, ValueId wanted, const SymbolValues& symbols, Backend& host, const Known& known);

}  // namespace vitro
