// A graph as text, one line a value, that parses back to the same graph:
//
//     graph "tiny"
//     symbol T <= 8
//     module "mlp" "TinyMLP" "in=4, out=2"
//     %tokens = input i32 [T]
//     %table = weight bf16 [16, 4]
//     %q = weight f32 [4, 4] from q_proj.weight
//     %qk.weight = concat(%q, %k.weight) {axis = 0} : f32 [8, 4]
//     %v.fp8 = weight f8e4m3 [4, 4] prepared
//     %half = constant f32 [1] {0.5}
//     %x = embed(%tokens, %table) : f32 [T, 4] @models/tiny.cpp:12
//     %s = softmax(%x) {axis = 1} : f32 [T, 4] @cpu <= a.b, c.d
//     %y = layer_norm(%x, %weight, bias = %b) : f32 [T, 4]
//     return %s
//     update %cache = %appended
//
// Optional inputs that are given stand behind their names, after the others. A type may also stand before the `=`: `%x
// : f32 [T, 4] = embed(%tokens, %table)`. A statement goes on in the next line after a comma, and when that line begins
// with `@` or `<=`. Layers that are alike may be written once:
//
//     repeat model.layers.0-31: 32 ×
//       first %previous.out = %model.embed_tokens
//       %.weight : bf16 [3072] = weight
//       %.out : f32 [T, 3072] = rms_norm(%previous.out, %.weight)
//     end
//
// Within, `.out` is short for `model.layers.N.out`, and `previous.out` is the layer before's; `first` says what stands
// for that in the first layer.
//
// `from` names the checkpoint tensor that a weight is, where it is not its path; `prepared` says that the load program
// makes it (graph/split_load.h); `@` is the device a value lives on, and the line of the model's source; `<=` are the
// values of the source graph that a fused node realizes. `#` begins a comment.
#pragma once

#include "graph/graph.h"

#include <functional>
#include <string>
#include <string_view>

namespace vitro {

std::string print(const Graph& graph);
/// One node's line, without the newline.
std::string print(const Graph& graph, const Node& node);
/// A node's inputs between its parentheses, each as `use` gives it, the optional ones behind their names:
/// "%x, %weight, bias = %b".
std::string inputs_text(const Node& node, const std::function<std::string(ValueId id)>& use);
/// The elements of a constant: {0.5, 1}.
std::string constant_text(const ValueInfo& value);

using FindOp = const OpDef* (*)(std::string_view name);
using AllOps = std::span<const OpDef* const> (*)();

/// The graph that `text` describes, verified. Error with file, line and column, what was expected and found; with the
/// nearest of `all_ops` where an op is not there.
Graph parse(std::string_view text, std::string_view file, FindOp find_op, AllOps all_ops = nullptr);

}  // namespace vitro
