// Ops of one input that map each element by a function, and what row-wise ops share with them: floats in, the same type
// out.
#pragma once

#include "graph/op_def.h"

#include <functional>

namespace vitro {

/// x's type. Error unless x is float.
std::vector<TensorType> infer_elementwise(std::span<const TensorType> inputs, const Attributes& attributes);

/// Shapes of one to four dimensions, with a symbol or without, ragged against any vector width.
std::vector<Shape> example_shapes();
/// The symbols of example_shapes.
SymbolValues example_symbols(Random& random);
/// An example for each shape, without attributes.
std::vector<Example> elementwise_examples(Random& random);

/// Every input read once and every output written once, and `flops` operations for each element of output 0.
Cost elementwise_cost(const Call& call, std::int64_t flops);

/// out[i] = f(x[i]) in double precision.
void elementwise_reference(const Call& call, const std::function<double(double x)>& f);

}  // namespace vitro
