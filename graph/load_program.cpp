#include "graph/load_program.h"

#include "graph/copier.h"
#include "graph/copy.h"

#include <algorithm>
#include <functional>
#include <unordered_set>

namespace vitro {
namespace {

std::size_t index(std::int32_t id) { return static_cast<std::size_t>(id); }

}  // namespace

Graph joined(const Program& program) {
    const Graph &from = program.graph, &from_load = program.load;
    Graph out = like(from);
    out.bounds = from.bounds;
    Copier step(from, out), load(from_load, out);
    std::map<std::string, ValueId> by_source;  // stored weights
    for (std::size_t i = 0; i < from.values.size(); ++i) {
        const ValueInfo& value = from.values[i];
        if (value.kind == ValueKind::result || value.prepared) continue;
        step.leaf(static_cast<ValueId>(i));
        if (value.kind == ValueKind::weight) by_source.emplace(value.source, step[static_cast<ValueId>(i)]);
    }
    for (std::size_t i = 0; i < from_load.values.size(); ++i) {
        const ValueInfo& value = from_load.values[i];
        const auto id = static_cast<ValueId>(i);
        if (value.kind == ValueKind::result) continue;
        const auto known = value.kind == ValueKind::weight ? by_source.find(value.source) : by_source.end();
        if (known != by_source.end())
            load[id] = known->second;
        else
            load.leaf(id);
    }
    const auto loaded = [&](ValueId id) {
        std::vector<ValueId> open{id};  // what is still to be copied, on top what it is made of
        while (!open.empty()) {
            const ValueId top = open.back();
            const std::size_t below = open.size();
            if (load[top] < 0) {
                const Node& node = from_load.node(from_load.value(top).producer);
                for (const ValueId input : present(node.inputs))
                    if (load[input] < 0) open.push_back(input);
                std::reverse(open.begin() + static_cast<std::ptrdiff_t>(below), open.end());
                if (open.size() > below) continue;
                load.node(node);
            }
            open.pop_back();
        }
        return load[id];
    };
    const auto made = [&](ValueId id) {
        const ValueInfo& value = from.value(id);
        if (value.prepared && step[id] < 0) step[id] = loaded(from_load.find(value.source));
        return step[id];
    };
    for (const Node& node : from.nodes) {
        for (const ValueId id : present(node.inputs)) made(id);
        step.node(node);
    }
    for (const ValueId id : from.results) out.results.push_back(made(id));
    for (const auto& [state, next] : from.updates) out.updates.push_back({step[state], made(next)});
    return out;
}

/// Gathers what programs want into one graph.
class LoadProgram::Maker {
public:
    Maker(LoadProgram& made, std::span<const Target> targets) : made_(made), targets_(targets) {}

    /// The numbers of a load graph's values, by ValueId. -1 where one is not known and `numbers` may not grow.
    static std::vector<int> numbers_of(const Graph& graph, const std::function<int(const std::string&)>& number) {
        std::vector<int> out(graph.values.size());
        for (std::size_t i = 0; i < graph.values.size(); ++i)
            if (graph.values[i].kind != ValueKind::result) out[i] = number(leaf_text(graph.values[i]));
        for (const Node& node : graph.nodes) {
            std::string text(node.op->name);
            for (const auto& [field, value] : node.attributes.texts()) text += fmt::format(" {}={}", field, value);
            for (const ValueId id : node.inputs) text += fmt::format(" {}", id == kAbsent ? -1 : out[index(id)]);
            for (std::size_t o = 0; o < node.outputs.size(); ++o)
                out[index(node.outputs[o])] = number(fmt::format("{} -> {}", text, o));
        }
        return out;
    }

    static std::string leaf_text(const ValueInfo& value) {
        if (value.kind == ValueKind::weight) return fmt::format("tensor {} {}", value.source, to_string(value.type));
        return fmt::format("constant {} {}", to_string(value.type),
                           std::string_view(reinterpret_cast<const char*>(value.data.data()), value.data.size()));
    }

    void add(const Program& program) {
        if (out_.name.empty()) {
            out_ = like(program.graph);
            out_.name += " load";
        }
        const auto number = [&](const std::string& text) {
            return made_.numbers_.try_emplace(text, static_cast<int>(made_.numbers_.size())).first->second;
        };
        from_ = &program.load;
        numbers_ = numbers_of(program.load, number);
        for (const ValueId id : large_first(program.graph)) {
            const ValueInfo& weight = program.graph.value(id);
            const std::size_t device = program.plan.place(id).device;
            ValueId loaded = -1;
            if (weight.prepared) {
                const ValueId from = program.load.find(weight.source);
                VITRO_CHECK(from >= 0, "{} is prepared by no load program", weight.path);
                loaded = on(device, from);
            } else {
                loaded = leaf_on(device, weight, number(leaf_text(weight)));
            }
            const ValueInfo& value = out_.value(loaded);
            if (value.kind == ValueKind::weight)
                made_.mapped_.insert(value.path);
            else if (is_result_.insert(loaded).second)
                out_.results.push_back(loaded);
        }
    }

    Graph take() {
        for (const auto& [key, id] : ids_) made_.paths_.emplace(key, out_.value(id).path);
        return std::move(out_);
    }

private:
    std::size_t host() const { return targets_.size() - 1; }
    std::string device_name(std::size_t device) const {
        return targets_.size() == 1 ? std::string() : std::string(targets_[device].backend.name());
    }

    /// The weights in their order, but first those that are larger than all that come behind them and a thirty-second
    /// of all: while the last ones are made, what they are made of is in memory, too.
    static std::vector<ValueId> large_first(const Graph& graph) {
        std::vector<ValueId> order = graph.values_of(ValueKind::weight);
        const auto bytes = [&](ValueId id) { return static_cast<double>(bytes_of(graph.value(id).type, {})); };
        double all = 0, behind = 0;  // sums of what may be as large as 63 bits say
        for (const ValueId id : order) all += bytes(id);
        std::unordered_set<ValueId> large;
        for (std::size_t i = order.size(); i-- > 0;) {
            if (bytes(order[i]) > behind + all / 32)
                large.insert(order[i]);
            else
                behind += bytes(order[i]);
        }
        std::stable_partition(order.begin(), order.end(), [&](ValueId id) { return large.contains(id); });
        return order;
    }

    ValueId leaf_on(std::size_t device, const ValueInfo& leaf, int number) {
        if (const auto known = ids_.find({device, number}); known != ids_.end()) return known->second;
        if (device != host()) return copied(device, leaf_on(host(), leaf, number), number);
        ValueInfo info = leaf;
        if (info.kind == ValueKind::weight) info.path = info.source;
        info.device = device_name(host());
        return ids_[{device, number}] = out_.add_value(std::move(info));
    }

    /// A value of the load graph that is being added, as it is wanted on a device.
    struct Wanted {
        std::size_t device;
        ValueId id;
    };
    bool is_there(Wanted wanted) const { return ids_.contains({wanted.device, numbers_[index(wanted.id)]}); }
    ValueId there(Wanted wanted) const { return ids_.at({wanted.device, numbers_[index(wanted.id)]}); }

    ValueId on(std::size_t device, ValueId id) {
        std::vector<Wanted> open{{device, id}};  // what is still to be made, on top what it is made of
        while (!open.empty()) {
            const Wanted top = open.back();
            const std::size_t below = open.size();
            if (!is_there(top)) {
                for (const Wanted part : parts_of(top))
                    if (!is_there(part)) open.push_back(part);
                std::reverse(open.begin() + static_cast<std::ptrdiff_t>(below), open.end());
                if (open.size() > below) continue;
                make(top);
            }
            open.pop_back();
        }
        return there({device, id});
    }

    /// What must be there before it can be made.
    std::vector<Wanted> parts_of(Wanted wanted) const {
        const ValueInfo& value = from_->value(wanted.id);
        if (value.kind != ValueKind::result) return {};
        const Node& node = from_->node(value.producer);
        if (wanted.device != host() && !joins_on(wanted.device, node)) return {{host(), wanted.id}};
        std::vector<Wanted> parts;
        for (const ValueId input : present(node.inputs)) parts.push_back({wanted.device, input});
        return parts;
    }

    void make(Wanted wanted) {
        const auto [device, id] = wanted;
        const int number = numbers_[index(id)];
        const ValueInfo& value = from_->value(id);
        if (value.kind != ValueKind::result) {
            leaf_on(device, value, number);
            return;
        }
        const Node& node = from_->node(value.producer);
        if (device != host() && !joins_on(device, node)) {
            copied(device, there({host(), id}), number);
            return;
        }
        Node copy = node;
        copy.device = device_name(device);
        for (ValueId& input : present(copy.inputs)) input = there({device, input});
        for (ValueId& output : copy.outputs) {
            ValueInfo info = from_->value(output);
            info.producer = static_cast<NodeId>(out_.nodes.size());
            const int own = numbers_[index(output)];
            output = ids_[{device, own}] = out_.add_value(std::move(info));
        }
        out_.nodes.push_back(std::move(copy));
    }

    bool joins_on(std::size_t device, const Node& node) const {
        return node.op->joins_inputs != nullptr &&
               node.op->joins_inputs(types_of(*from_, node.inputs), node.attributes) &&
               find_kernel(targets_[device], *from_, node) != nullptr;
    }

    ValueId copied(std::size_t device, ValueId from, int number) {
        ValueInfo info{ValueKind::result, out_.value(from).type,
                       fmt::format("{}.{}", out_.value(from).path, device_name(device))};
        info.producer = static_cast<NodeId>(out_.nodes.size());
        const ValueId to = out_.add_value(std::move(info));
        Node node;
        node.op = &kCopy;
        node.inputs = {from};
        node.outputs = {to};
        node.device = device_name(device);
        out_.nodes.push_back(std::move(node));
        return ids_[{device, number}] = to;
    }

    LoadProgram& made_;
    std::span<const Target> targets_;
    Graph out_;
    std::map<std::pair<std::size_t, int>, ValueId> ids_;  // in out_, by device and number
    std::unordered_set<ValueId> is_result_;               // of out_
    const Graph* from_ = nullptr;                         // the load graph that is being added
    std::vector<int> numbers_;                            // of its values
};

LoadProgram::LoadProgram(std::span<const Program* const> programs, std::span<const Target> targets) {
    if (targets.empty() || !targets.back().backend.is_host())
        fail("loading weights: expected the host as the last device, found {}",
             targets.empty() ? "none" : targets.back().backend.name());
    Maker maker(*this, targets);
    for (const Program* program : programs) maker.add(*program);
    program_ = compile_whole(maker.take(), targets);
}

std::vector<ValueId> LoadProgram::weights_of(const Program& step) const {
    const auto number = [&](const std::string& text) {
        const auto known = numbers_.find(text);
        return known == numbers_.end() ? -1 : known->second;
    };
    const std::vector<int> numbers = Maker::numbers_of(step.load, number);
    std::vector<ValueId> out;
    for (const ValueId id : step.graph.values_of(ValueKind::weight)) {
        const ValueInfo& weight = step.graph.value(id);
        const int what =
            weight.prepared ? numbers[index(step.load.find(weight.source))] : number(Maker::leaf_text(weight));
        const auto path = paths_.find({step.plan.place(id).device, what});
        VITRO_CHECK(path != paths_.end(), "the load program was not made for {}", weight.path);
        out.push_back(program_.graph.find(path->second));
    }
    return out;
}

}  // namespace vitro
