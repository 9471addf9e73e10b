#include "graph/assign_devices.h"

#include "graph/copy.h"
#include "graph/sharing.h"

#include <algorithm>
#include <set>

namespace vitro {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

bool is_leaf(const ValueInfo& value) { return value.kind != ValueKind::result; }
/// A leaf that may be there twice: nothing writes it.
bool is_read_only(const ValueInfo& value) {
    return value.kind == ValueKind::weight || value.kind == ValueKind::constant;
}
/// Whether the node writes into the memory of one of its inputs.
bool writes_input(const Node& node) { return !node.op->aliases.empty() && !node.op->is_view; }

class Assigner {
public:
    Assigner(Graph graph, std::span<const Target> targets)
        : graph_(std::move(graph)),
          targets_(targets),
          host_(targets.size() - 1),
          users_(graph_.values.size()),
          node_device_(graph_.nodes.size(), kNone),
          value_device_(graph_.values.size(), kNone) {
        for (std::size_t n = 0; n < graph_.nodes.size(); ++n)
            for (const ValueId id : present(graph_.nodes[n].inputs)) users_[index(id)].push_back(n);
    }

    Graph run() {
        choose_for_states();
        for (std::size_t n = 0; n < graph_.nodes.size(); ++n)
            if (node_device_[n] == kNone && !graph_.nodes[n].op->is_view) node_device_[n] = first_that_takes(n);
        choose_for_views_and_leaves();
        return with_copies();
    }

private:
    static std::size_t index(ValueId id) { return static_cast<std::size_t>(id); }

    bool takes(std::size_t device, std::size_t n) const {
        const Node& node = graph_.nodes[n];
        if (!node.device.empty() && node.device != targets_[device].backend.name()) return false;
        return device == host_ || (node.op == &kCopy && !node.device.empty()) ||
               find_kernel(targets_[device], graph_, node) != nullptr;
    }

    std::size_t first_that_takes(std::size_t n) const {
        const Node& node = graph_.nodes[n];
        for (std::size_t device = 0; device < targets_.size(); ++device)
            if (takes(device, n)) return device;
        target_index(targets_, node.device);  // its error, if that is what is wrong
        fail("{}: no kernel on {} takes these types", describe(graph_, node), node.device);
    }

    /// All nodes that write one state, or states that one of them writes together, run on one device.
    void choose_for_states() {
        Sharing memory(graph_.values.size());
        for (const Node& node : graph_.nodes)
            for (const auto& [output, input] : node.op->aliases) {
                memory.join(node.inputs[input], node.outputs[output]);
                if (writes_input(node)) memory.join(node.inputs[node.op->aliases[0].input], node.inputs[input]);
            }
        std::vector<std::size_t> device_of_memory(graph_.values.size(), kNone);
        std::vector<std::vector<std::size_t>> writers(graph_.values.size());
        for (std::size_t n = 0; n < graph_.nodes.size(); ++n)
            if (writes_input(graph_.nodes[n])) writers[memory.root(graph_.nodes[n].outputs[0])].push_back(n);
        for (const ValueId state : graph_.values_of(ValueKind::state)) {
            const std::size_t root = memory.root(state);
            if (!writers[root].empty() && device_of_memory[root] == kNone) {
                std::size_t device = 0;
                while (device < host_ && !std::all_of(writers[root].begin(), writers[root].end(),
                                                      [&](std::size_t n) { return takes(device, n); }))
                    ++device;
                device_of_memory[root] = device;
                for (const std::size_t n : writers[root]) {
                    if (!takes(device, n))
                        fail("{}: expected to run where {} is written, on {}", describe(graph_, graph_.nodes[n]),
                             graph_.value(state).path, targets_[device].backend.name());
                    node_device_[n] = device;
                }
            }
            value_device_[index(state)] = device_of_memory[root];
        }
    }

    void choose_for_views_and_leaves() {
        // From the end, so that the users of a view of a leaf are known: it goes where they are.
        for (std::size_t n = graph_.nodes.size(); n-- > 0;) {
            const Node& node = graph_.nodes[n];
            if (!node.op->is_view) continue;
            const ValueId memory = leaf_or_result(node.inputs[0]);
            if (!node.device.empty())
                node_device_[n] = target_index(targets_, node.device);
            else if (is_leaf(graph_.value(memory)) && value_device_[index(memory)] == kNone)
                node_device_[n] = device_of_users(node.outputs[0]);
        }
        for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
            const Node& node = graph_.nodes[n];
            if (node_device_[n] == kNone) node_device_[n] = value_device_[index(node.inputs[0])];
            for (const ValueId id : node.outputs) value_device_[index(id)] = node_device_[n];
        }
        for (std::size_t i = 0; i < graph_.values.size(); ++i)
            if (value_device_[i] == kNone)
                value_device_[i] = graph_.values[i].device.empty() ? device_of_users(static_cast<ValueId>(i))
                                                                   : target_index(targets_, graph_.values[i].device);
    }

    ValueId leaf_or_result(ValueId id) const {
        for (NodeId n = graph_.value(id).producer; n >= 0 && graph_.node(n).op->is_view; n = graph_.value(id).producer)
            id = graph_.node(n).inputs[0];
        return id;
    }

    /// The one device on which all users of a value are, else the preferred one.
    std::size_t device_of_users(ValueId id) const {
        std::size_t found = kNone;
        for (const std::size_t n : users_[index(id)]) {
            const std::size_t device = graph_.nodes[n].op == &kCopy ? kNone : node_device_[n];
            if (device == kNone || device == found) continue;
            if (found != kNone) return 0;
            found = device;
        }
        return found == kNone ? 0 : found;
    }

    std::string device_name(std::size_t device) const { return std::string(targets_[device].backend.name()); }

    Graph with_copies() {
        out_.name = std::move(graph_.name);
        out_.bounds = std::move(graph_.bounds);
        out_.modules = std::move(graph_.modules);
        moved_.assign(graph_.values.size(), std::vector<ValueId>(targets_.size(), -1));
        for (std::size_t i = 0; i < graph_.values.size(); ++i)
            if (is_leaf(graph_.values[i])) add_leaf(i);
        for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
            Node node = std::move(graph_.nodes[n]);
            const std::size_t device = node_device_[n];
            for (ValueId& id : present(node.inputs))
                id = node.op == &kCopy ? moved_[index(id)][value_device_[index(id)]] : on_device(id, device);
            node.device = device_name(device);
            for (ValueId& id : node.outputs) {
                ValueInfo info = std::move(graph_.value(id));
                info.producer = static_cast<NodeId>(out_.nodes.size());
                id = moved_[index(id)][device] = add_as_named(std::move(info));
            }
            out_.nodes.push_back(std::move(node));
        }
        const auto home = [&](ValueId id) { return moved_[index(id)][value_device_[index(id)]]; };
        for (const ValueId id : graph_.results) out_.results.push_back(home(id));
        for (const StateUpdate& update : graph_.updates)
            out_.updates.push_back({home(update.state), home(update.next)});
        return std::move(out_);
    }

    /// Adds a value under the path it has in the graph that was given: what was made here makes way.
    ValueId add_as_named(ValueInfo info) {
        const std::string path = info.path;
        const ValueId id = out_.add_value(std::move(info));
        out_.rename(id, path);
        return id;
    }

    void add_leaf(std::size_t i) {
        const ValueInfo& leaf = graph_.values[i];
        std::set<std::size_t> devices{value_device_[i]};
        if (is_read_only(leaf) && !users_[i].empty()) {
            devices.clear();
            for (const std::size_t n : users_[i])
                devices.insert(graph_.nodes[n].op == &kCopy ? value_device_[i] : node_device_[n]);
            if (std::find(graph_.results.begin(), graph_.results.end(), static_cast<ValueId>(i)) !=
                graph_.results.end())
                devices.insert(value_device_[i]);
        }
        for (const std::size_t device : devices) {
            ValueInfo info = leaf;
            info.device = device_name(device);
            if (device == *devices.begin()) {
                moved_[i][device] = add_as_named(std::move(info));
                continue;
            }
            info.path += "." + info.device;
            moved_[i][device] = out_.add_value(std::move(info));
        }
        value_device_[i] = *devices.begin();
    }

    /// The value as seen on a device; copied there the first time it is wanted. One end of every copy is the host.
    ValueId on_device(ValueId id, std::size_t device) {
        ValueId& there = moved_[index(id)][device];
        if (there >= 0) return there;
        const std::size_t home = value_device_[index(id)];
        const ValueId from = home == host_ || device == host_ ? moved_[index(id)][home] : on_device(id, host_);
        const ValueInfo& value = out_.value(from);
        ValueInfo info{ValueKind::result, value.type,
                       out_.value(moved_[index(id)][home]).path + "." + device_name(device)};
        info.producer = static_cast<NodeId>(out_.nodes.size());
        there = out_.add_value(std::move(info));
        Node node;
        node.op = &kCopy;
        node.inputs = {from};
        node.outputs = {there};
        node.device = device_name(device);
        out_.nodes.push_back(std::move(node));
        return there;
    }

    Graph graph_;
    std::span<const Target> targets_;
    std::size_t host_;
    std::vector<std::vector<std::size_t>> users_;  // by ValueId: nodes
    std::vector<std::size_t> node_device_;         // by NodeId
    std::vector<std::size_t> value_device_;        // by ValueId: where it is made
    std::vector<std::vector<ValueId>> moved_;      // by ValueId and device: in the graph with copies
    Graph out_;
};

}  // namespace

const KernelDef* find_kernel(const Target& target, const Graph& graph, const Node& node) {
    for (const KernelDef& kernel : target.kernels) {
        if (kernel.op != node.op->name) continue;
        if (!kernel.refuses ||
            kernel.refuses(types_of(graph, node.inputs), types_of(graph, node.outputs), node.attributes).empty())
            return &kernel;
    }
    return nullptr;
}

std::size_t target_index(std::span<const Target> targets, std::string_view device) {
    if (device.empty()) return 0;
    std::string known;
    for (std::size_t i = 0; i < targets.size(); ++i) {
        if (targets[i].backend.name() == device) return i;
        known += fmt::format("{}{}", known.empty() ? "" : ", ", targets[i].backend.name());
    }
    fail("no device is called '{}'; there are {}", device, known);
}

Graph assign_devices(Graph graph, std::span<const Target> targets) {
    VITRO_CHECK(!targets.empty());
    if (targets.size() == 1) {
        for (const Node& node : graph.nodes) target_index(targets, node.device);
        for (const ValueInfo& value : graph.values) target_index(targets, value.device);
        return graph;
    }
    VITRO_CHECK(targets.back().backend.is_host());
    return Assigner(std::move(graph), targets).run();
}

}  // namespace vitro
