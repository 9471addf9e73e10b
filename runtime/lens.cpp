#include "runtime/lens.h"

#include "graph/dump/repeat.h"
#include "graph/evaluate.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace vitro {
namespace {

/// The longest run of like layers, and the name of what each hands to the next (".mlp_residual"), with what stands for
/// it in front of the first.
struct Stream {
    AlikeLayers layers;
    std::string name, before;
};

Stream stream_of(const Graph& graph) {
    const std::vector<AlikeLayers> repeats = find_repeats(graph);
    const auto most = std::max_element(repeats.begin(), repeats.end(), [](const AlikeLayers& a, const AlikeLayers& b) {
        return a.count() < b.count();
    });
    if (most == repeats.end() || most->carried.empty())
        fail("{}: expected layers that are alike and follow each other, found none", graph.name);
    const auto& [name, before] = *most->carried.begin();
    return {*most, name, before};
}

Elements last_row(const SeenValue& seen) {
    const Tensor& tensor = seen.tensor;
    const auto* data = static_cast<const std::byte*>(tensor.data);
    const std::int64_t row = tensor.rows() == 0 ? 0 : tensor.bytes() / tensor.rows();
    return {data + tensor.bytes() - row, data + tensor.bytes()};
}

}  // namespace

Lens::Lens(const ModelTaps& taps) : taps_(taps) {
    const Graph& graph = taps.source();
    const Stream stream = stream_of(graph);
    paths_.push_back(stream.before);
    for (std::int64_t i = stream.layers.first; i <= stream.layers.last; ++i)
        paths_.push_back(fmt::format("{}.{}", stream.layers.layer(i), stream.name));
    residual_ = graph.find(paths_.back());
    // Everything from there to the logits.
    std::vector<bool> wanted(graph.values.size());
    wanted[static_cast<std::size_t>(residual_)] = true;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        const Node& node = graph.nodes[n];
        const bool follows = std::any_of(node.inputs.begin(), node.inputs.end(),
                                         [&](ValueId id) { return id >= 0 && wanted[static_cast<std::size_t>(id)]; });
        if (!follows) continue;
        head_.push_back(static_cast<NodeId>(n));
        for (const ValueId id : node.outputs) wanted[static_cast<std::size_t>(id)] = true;
        if (node.outputs[0] == graph.results.at(0)) return;
    }
    fail("{}: expected the logits to follow from {}", graph.name, paths_.back());
}

std::vector<float> Lens::logits(const SeenValue& residual, Backend& host) const {
    const Graph& graph = taps_.source();
    SymbolValues one;
    for (const auto& [symbol, bound] : graph.bounds) one[symbol] = 1;
    std::map<ValueId, Elements> known;
    known[residual_] = last_row(residual);
    std::map<std::string, Elements> read;
    const Known weights = [&](const ValueInfo& value) -> const Elements* {
        if (value.kind != ValueKind::weight) return nullptr;
        const auto [at, is_new] = read.try_emplace(value.path);
        if (is_new) at->second = taps_.weight(value.path);
        return &at->second;
    };
    for (const NodeId n : head_) {
        const Node& node = graph.node(n);
        std::vector<const Elements*> inputs;
        for (const ValueId id : node.inputs) {
            if (id >= 0 && !known.contains(id)) {
                const ValueInfo& value = graph.value(id);
                // An input can only be the rows that are wanted: the one there is. The rest is made of weights alone.
                known[id] = value.kind == ValueKind::input      ? Elements(sizeof(std::int32_t))
                            : value.kind == ValueKind::constant ? value.data
                                                                : evaluate(graph, id, one, host, weights);
            }
            inputs.push_back(id >= 0 ? &known[id] : nullptr);
        }
        std::vector<Elements> outputs = interpret(graph, node, inputs, one, host);
        for (std::size_t i = 0; i < outputs.size(); ++i) known[node.outputs[i]] = std::move(outputs[i]);
    }
    const TensorType& type = graph.value(graph.results.at(0)).type;
    const Elements& out = known.at(graph.results.at(0));
    std::vector<float> logits(static_cast<std::size_t>(count(type.dtype, out)));
    for (std::size_t i = 0; i < logits.size(); ++i)
        logits[i] = static_cast<float>(element(type.dtype, out.data(), static_cast<std::int64_t>(i)));
    return logits;
}

double Lens::rms(const SeenValue& residual) {
    const Elements row = last_row(residual);
    const DType dtype = residual.tensor.dtype;
    double squares = 0;
    for (std::int64_t i = 0; i < count(dtype, row); ++i) squares += std::pow(element(dtype, row.data(), i), 2);
    return std::sqrt(squares / static_cast<double>(std::max<std::int64_t>(1, count(dtype, row))));
}

}  // namespace vitro
