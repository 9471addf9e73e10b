#include "graph/verify.h"

#include "graph/copy.h"

#include <algorithm>

namespace vitro {
namespace {

/// Those that must be given are, and there is a place for each of the others.
void check_inputs(const OpDef& op, const std::vector<ValueId>& inputs) {
    const std::size_t most = op.inputs.size(), least = required_inputs(op);
    const auto first_absent =
        static_cast<std::size_t>(std::find(inputs.begin(), inputs.end(), kAbsent) - inputs.begin());
    const auto given = static_cast<std::size_t>(std::ranges::distance(present(inputs)));
    const bool has_place_for_each = op.variadic ? inputs.size() >= most : inputs.size() == most;
    if (has_place_for_each && first_absent >= (op.variadic ? inputs.size() : least)) return;
    if (given > first_absent) fail("{}: expected a value, found none", input_def(op, first_absent).name);
    if (op.variadic) fail("expected at least {} inputs, found {}", least, given);
    if (least < most) fail("expected {} to {} inputs, found {}", least, most, given);
    fail("expected {} inputs, found {}", most, given);
}

void check_id(const Graph& graph, ValueId id) {
    if (id < 0 || static_cast<std::size_t>(id) >= graph.values.size()) fail("expected a value, found none");
}

/// Every id stands for a value, so that what follows may look it up.
void check_ids(const Graph& graph) {
    for (const Node& node : graph.nodes) {
        for (const ValueId id : present(node.inputs)) check_id(graph, id);
        for (const ValueId id : node.outputs) check_id(graph, id);
    }
    for (const ValueId id : graph.results) check_id(graph, id);
    for (const auto& [state, next] : graph.updates) {
        check_id(graph, state);
        check_id(graph, next);
    }
}

void check_type(const TensorType& type, const Graph& graph, const SymbolValues& bounds) {
    for (const Dim dim : type.shape) {
        if (dim.is_symbol() && !graph.bounds.contains(dim.symbol))
            fail("{}: symbol {} has no bound", to_string(type), dim.symbol);
        if (!dim.is_symbol() && dim.size < 1) fail("{}: expected sizes of at least 1", to_string(type));
        if (!dim.is_symbol() && dim.size > kMostSize)
            fail("{}: expected sizes of at most {}", to_string(type), kMostSize);
    }
    const auto is_multiple = [&](int axis, std::int64_t of) {
        return type.rank() >= -axis && !type.dim(axis).is_symbol() && type.dim(axis).size % of == 0;
    };
    if (const std::int64_t columns = block_columns(type.dtype); columns > 1 && !is_multiple(-1, columns))
        fail("{}: expected rows of whole blocks of {} elements", to_string(type), columns);
    if (const std::int64_t rows = info(type.dtype).block_rows; rows > 1 && (type.rank() != 2 || !is_multiple(-2, rows)))
        fail("{}: expected a matrix whose rows are a multiple of {}", to_string(type), rows);
    bytes_of(type, bounds);
}

void check_value(const Graph& graph, const SymbolValues& bounds, const ValueInfo& value) {
    try {
        check_type(value.type, graph, bounds);
        const bool is_fixed = value.kind == ValueKind::weight || value.kind == ValueKind::constant;
        for (const Dim dim : value.type.shape)
            if (is_fixed && dim.is_symbol()) fail("expected constant sizes, found {}", to_string(value.type));
        if (value.kind == ValueKind::constant) {
            const auto bytes = static_cast<std::size_t>(bytes_of(value.type, bounds));
            if (value.data.size() != bytes) fail("expected {} bytes of data, found {}", bytes, value.data.size());
        }
        if (value.kind == ValueKind::weight && value.source.empty()) fail("expected a checkpoint tensor, found none");
    } catch (const Error& error) {
        fail("value {}: {}", value.path, error.what());
    }
}

void check_updates(const Graph& graph) {
    std::vector<bool> seen(graph.values.size());
    for (const auto& [state, next] : graph.updates) {
        const ValueInfo& cache = graph.value(state);
        if (cache.kind != ValueKind::state) fail("update of {}: expected a state", cache.path);
        if (graph.value(next).type != cache.type)
            fail("update of {}: expected {}, found {} {}", cache.path, to_string(cache.type), graph.value(next).path,
                 to_string(graph.value(next).type));
        if (seen[static_cast<std::size_t>(state)]) fail("update of {}: found a second one", cache.path);
        seen[static_cast<std::size_t>(state)] = true;
    }
}

/// The sum keeps the arithmetic of everything that lays values out from wrapping around: offsets, regions, arenas and
/// what is live at once are sums of these.
void check_total(const Graph& graph, const SymbolValues& bounds) {
    std::int64_t left = kMostGraphBytes;
    for (const ValueInfo& value : graph.values) {
        const std::int64_t bytes = bytes_of(value.type, bounds);
        if (bytes > left)
            fail("graph {}: expected values of at most {} bytes together, found more: {} is {}, of {} bytes",
                 graph.name, kMostGraphBytes, value.path, to_string(value.type), bytes);
        left -= bytes;
    }
}

/// A name that the text form can read back.
void check_device(std::string_view device, std::string_view path) {
    const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; };
    if (!std::all_of(device.begin(), device.end(), fits))
        fail("{}: expected a device's name in small letters, found '{}'", path, device);
}

/// What a node reads lives on its device, where both are named; only copies cross.
void check_devices(const Graph& graph) {
    for (const ValueInfo& value : graph.values) check_device(value.device, value.path);
    for (const Node& node : graph.nodes) {
        if (node.device.empty() || node.op == &kCopy) continue;
        check_device(node.device, describe(graph, node));
        for (const ValueId id : present(node.inputs)) {
            const std::string& device = device_of(graph, id);
            if (!device.empty() && device != node.device)
                fail("{}: expected inputs on {}, found {} on {}", describe(graph, node), node.device,
                     graph.value(id).path, device);
        }
    }
}

}  // namespace

std::vector<TensorType> infer_types(const Graph& graph, const Node& node, std::string_view path) {
    std::vector<TensorType> inputs;
    try {
        for (const ValueId id : present(node.inputs)) check_id(graph, id);
        inputs = types_of(graph, node.inputs);
        check_inputs(*node.op, node.inputs);
        node.attributes.check();
        std::vector<TensorType> outputs = node.op->infer(inputs, node.attributes);
        const bool joins = node.op->joins_inputs != nullptr && node.op->joins_inputs(inputs, node.attributes);
        for (const TensorType& type : inputs)
            if (node.op->locality == Locality::moves && node.op != &kCopy && !joins && is_packed(type.dtype))
                fail("expected rows that stand alone, found {}, which packs {} together", name(type.dtype),
                     info(type.dtype).block_rows);
        return outputs;
    } catch (const Error& error) {
        std::string text = fmt::format("{} at {}", node.op->name, path);
        if (!node.source.file.empty()) text += fmt::format(" ({}:{})", node.source.file, node.source.line);
        text += fmt::format(": {}", error.what());
        for (std::size_t i = 0; i < inputs.size(); ++i)
            if (!inputs[i].absent)
                text += fmt::format("{} {} {}", i == 0 ? ";" : ",",
                                    node.op->inputs.empty() ? "" : input_def(*node.op, i).name, to_string(inputs[i]));
        throw Error(text);
    }
}

void verify(const Graph& graph) {
    for (const auto& [symbol, bound] : graph.bounds)
        if (symbol < 'A' || symbol > 'Z' || bound < 1 || bound > kMostSize)
            fail("symbol {}: expected a bound in [1, {}], found {}", symbol, kMostSize, bound);
    const SymbolValues bounds = graph.bound_values();
    for (const ValueInfo& value : graph.values) check_value(graph, bounds, value);
    check_total(graph, bounds);
    check_ids(graph);

    std::vector<bool> defined(graph.values.size());
    for (std::size_t i = 0; i < graph.values.size(); ++i) defined[i] = graph.values[i].kind != ValueKind::result;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        const Node& node = graph.nodes[n];
        for (const ValueId id : present(node.inputs)) {
            if (!defined[static_cast<std::size_t>(id)])
                fail("{}: input {} is used before it is defined", describe(graph, node), graph.value(id).path);
        }
        const std::string_view path =
            node.outputs.empty() ? std::string_view("(no output)") : std::string_view(graph.value(node.outputs[0]).path);
        const std::vector<TensorType> types = infer_types(graph, node, path);
        if (types.size() != node.outputs.size())
            fail("{}: expected {} outputs, found {}", describe(graph, node), types.size(), node.outputs.size());
        for (std::size_t i = 0; i < types.size(); ++i) {
            const ValueInfo& output = graph.value(node.outputs[i]);
            if (output.kind != ValueKind::result || output.producer != static_cast<NodeId>(n) ||
                defined[static_cast<std::size_t>(node.outputs[i])])
                fail("{}: output {} is defined elsewhere", describe(graph, node), output.path);
            if (output.type != types[i])
                fail("{}: expected output {}, found {}", describe(graph, node), to_string(types[i]),
                     to_string(output.type));
            defined[static_cast<std::size_t>(node.outputs[i])] = true;
        }
    }
    for (const ValueId id : graph.results)
        if (!defined[static_cast<std::size_t>(id)]) fail("result {} is not defined", graph.value(id).path);
    for (const StateUpdate& update : graph.updates)
        if (!defined[static_cast<std::size_t>(update.next)])
            fail("update {} is not defined", graph.value(update.next).path);
    check_updates(graph);
    check_devices(graph);
    if (graph.results.empty() && graph.updates.empty())
        fail("graph {}: expected 'return' of a value or 'update' of a state, found neither", graph.name);
}

}  // namespace vitro
