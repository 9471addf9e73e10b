// The rules that every graph keeps, checked when it is built, read, and after each pass.
#pragma once

#include "graph/graph.h"

#include <limits>

namespace vitro {

/// What keeps the arithmetic on sizes of a verified graph from wrapping around, wherever it stands: a product of two
/// sizes fits, and so do sums of bytes, even of a few graphs, and a thousand times one value's (a scratch of each
/// thread's own). Kernels count along a dimension in 32 bits, and no machine has so many bytes.
inline constexpr std::int64_t kMostSize = std::numeric_limits<std::int32_t>::max();  // of one dimension, or symbol
inline constexpr std::int64_t kMostGraphBytes = std::int64_t{1}
                                                << 50;  // of all values together, at the symbols' bounds

/// Types of a node's outputs as its op infers them; `path` names it in errors, which tell op, path, input types and the
/// place in the model's source: `matmul at layers.0.mlp (models/phi3.cpp:60): …; a f32 [T, 64], b bf16 [32, 63]`.
std::vector<TensorType> infer_types(const Graph& graph, const Node& node, std::string_view path);

/// Throws Error unless: every value is defined before it is used, once; types are what the ops infer; every symbol has
/// a bound; shapes fit, each and together, and have rows of whole blocks; weights and constants have constant sizes, constants their bytes; there is a
/// result or an update; states are updated at most once by a value of their type; a node that names its device reads
/// only from that one, unless it is a copy.
void verify(const Graph& graph);

}  // namespace vitro
