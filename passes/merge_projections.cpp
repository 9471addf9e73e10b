// x·Aᵀ, x·Bᵀ -> split(x·[A; B]ᵀ); with biases x·Aᵀ + a, x·Bᵀ + b -> split(x·[A; B]ᵀ + [a; b])
//
// Matmuls of one input with weights become one: the input is read once, and one larger matmul runs better than several.
// The weights are joined when they are loaded: what depends on weights alone runs then. Only those of one type are: of
// q, k and v where v has other blocks, q and k.
#include "ops/add/add.h"
#include "ops/concat/concat.h"
#include "ops/matmul/matmul.h"
#include "ops/split/split.h"
#include "passes/passes.h"

#include <algorithm>

namespace vitro {
namespace {

/// One projection: its matmul and, if it has one, its bias.
struct Projection {
    NodeId matmul;
    NodeId add = -1;
    ValueId bias = -1;

    ValueId output(const Graph& graph) const { return graph.node(add >= 0 ? add : matmul).outputs[0]; }
    ValueId weight(const Graph& graph) const { return graph.node(matmul).inputs[1]; }
};

bool is_projection(const Rewriter& rewriter, const Node& node) {
    return node.op == &kMatmul && node.attributes.as<Matmul>().transpose_b && rewriter.is_weight(node.inputs[1]) &&
           rewriter.value(node.inputs[1]).type.rank() == 2;
}

Projection with_bias(const Rewriter& rewriter, NodeId matmul) {
    const Graph& graph = rewriter.graph();
    const ValueId y = graph.node(matmul).outputs[0];
    Projection projection{matmul};
    if (rewriter.uses(y) != 1 || rewriter.users(y).empty()) return projection;
    const NodeId user = rewriter.users(y)[0];
    const Node& add = graph.node(user);
    if (add.op != &kAdd || add.inputs[0] != y) return projection;
    if (!rewriter.is_weight(add.inputs[1]) || graph.value(add.inputs[1]).type.rank() != 1) return projection;
    projection.add = user;
    projection.bias = add.inputs[1];
    return projection;
}

/// The longest common beginning of the names up to a dot, and the last parts joined: "self_attn.q_proj+k_proj+v_proj".
std::string joined_path(const Graph& graph, const std::vector<ValueId>& values) {
    const std::string& first = graph.value(values[0]).path;
    std::string path = first;
    for (std::size_t i = 1; i < values.size(); ++i) {
        const std::string& other = graph.value(values[i]).path;
        const auto [a, b] = std::mismatch(first.begin(), first.end(), other.begin(), other.end());
        const std::size_t dot = first.rfind('.', static_cast<std::size_t>(a - first.begin()));
        path += "+" + other.substr(dot == std::string::npos ? 0 : dot + 1);
    }
    return path;
}

/// The rows of these weights, one behind the other.
ValueId joined_weight(Rewriter& rewriter, std::string path, const std::vector<ValueId>& parts, const Node& like,
                      NodeId before) {
    TensorType type = rewriter.value(parts[0]).type;
    type.shape[0] = 0;
    for (const ValueId part : parts) type.shape[0].size += rewriter.value(part).type.dim(0).size;
    const ValueId joined = rewriter.new_value(std::move(path), type);
    rewriter.insert({&kConcat, Concat{0}, parts, {joined}, like.source, {}}, before);
    return joined;
}

/// Whether two can be one: both have a bias or none, and the types are the same.
bool fits(const Graph& graph, const Projection& a, const Projection& b) {
    const auto dtype = [&](ValueId id) { return graph.value(id).type.dtype; };
    return (a.bias >= 0) == (b.bias >= 0) && dtype(a.weight(graph)) == dtype(b.weight(graph)) &&
           (a.bias < 0 || dtype(a.bias) == dtype(b.bias));
}

/// The projections of one input, put together with those that fit.
std::vector<std::vector<Projection>> groups_of(const Graph& graph, const std::vector<Projection>& all) {
    std::vector<std::vector<Projection>> groups;
    for (const Projection& one : all) {
        const auto found = std::ranges::find_if(
            groups, [&](const std::vector<Projection>& group) { return fits(graph, group[0], one); });
        found == groups.end() ? groups.push_back({one}) : found->push_back(one);
    }
    return groups;
}

void merge(Rewriter& rewriter, const std::vector<Projection>& group) {
    const Graph& graph = rewriter.graph();
    const bool has_bias = group[0].bias >= 0;
    std::vector<ValueId> weights, biases, outputs;
    std::vector<NodeId> matched;
    Split split{.axis = -1, .sizes = {}};
    for (const Projection& p : group) {
        weights.push_back(p.weight(graph));
        outputs.push_back(p.output(graph));
        matched.push_back(p.matmul);
        if (has_bias) biases.push_back(p.bias);
        if (has_bias) matched.push_back(p.add);
        split.sizes.push_back(graph.value(p.weight(graph)).type.dim(0).size);
    }
    const ValueId first = outputs[0];
    rewriter.fired(first, fmt::format("merged {} projections of {}", group.size(),
                                      graph.value(graph.node(matched[0]).inputs[0]).path));
    const std::string path = joined_path(graph, outputs);
    TensorType type = graph.value(first).type;
    type.shape.back() = 0;
    for (const std::int64_t size : split.sizes) type.shape.back().size += size;

    // Several values are moved about: the split stands for the matched nodes and computes their outputs.
    const Node matmul = graph.node(group[0].matmul);
    const Node add = has_bias ? graph.node(group[0].add) : Node{};
    const NodeId at = *std::min_element(matched.begin(), matched.end());
    const ValueId weight = joined_weight(rewriter, path + ".weight", weights, matmul, at);
    ValueId y = rewriter.new_value(path, type);
    rewriter.insert({matmul.op, matmul.attributes, {matmul.inputs[0], weight}, {y}, matmul.source, {}}, at);
    if (has_bias) {
        const ValueId bias = joined_weight(rewriter, path + ".bias", biases, add, at);
        const ValueId sum = rewriter.new_value(path + ".add_bias", type);
        rewriter.insert({add.op, add.attributes, {y, bias}, {sum}, add.source, {}}, at);
        y = sum;
    }
    rewriter.replace(matched, {&kSplit, split, {y}, outputs, matmul.source, {}});
}

}  // namespace

bool merge_projections(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "merge_projections");
    std::map<ValueId, std::vector<Projection>> by_input;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n)
        if (is_projection(rewriter, graph.nodes[n]))
            by_input[graph.nodes[n].inputs[0]].push_back(with_bias(rewriter, static_cast<NodeId>(n)));
    for (const auto& [input, all] : by_input) {
        for (const std::vector<Projection>& group : groups_of(graph, all))
            if (group.size() > 1)
                merge(rewriter, group);
            else if (all.size() > 1)
                rewriter.refuse(group[0].output(graph),
                                "no other weight of its input has the same type and the same kind of bias");
    }
    return rewriter.finish();
}

}  // namespace vitro
