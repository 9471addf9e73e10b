#include "graph/check_plan.h"

#include "graph/copy.h"

#include <algorithm>
#include <map>

namespace vitro {
namespace {

constexpr int kNobody = -1;
constexpr int kScratch = -2;
constexpr std::size_t kMostComplaints = 100;

/// Bytes [begin, end) of one region of one device.
struct Range {
    std::size_t device = 0;
    Region region = Region::arena;
    std::size_t begin = 0, end = 0;

    bool overlaps(const Range& other) const {
        return device == other.device && region == other.region && begin < other.end && other.begin < end;
    }
    bool operator==(const Range&) const = default;
};

/// Who wrote the bytes of a region last: a map from where a run of bytes begins to where it ends and whose they are.
class Owners {
public:
    /// `content` wrote [begin, end), its own first byte at `begin`.
    void write(std::size_t begin, std::size_t end, int content) {
        if (begin == end) return;
        split(begin);
        split(end);
        runs_.erase(runs_.lower_bound(begin), runs_.lower_bound(end));
        runs_[begin] = {end, content, begin};
    }
    /// Calls visit(begin, end, owner) for what in [begin, end) is not the bytes of `content`, written at `begin`.
    template <class Visit>
    void others(std::size_t begin, std::size_t end, int content, Visit&& visit) const {
        std::size_t at = begin;
        auto run = runs_.upper_bound(begin);
        if (run != runs_.begin() && std::prev(run)->second.end > begin) --run;
        for (; run != runs_.end() && run->first < end; ++run) {
            const std::size_t first = std::max(run->first, begin), last = std::min(run->second.end, end);
            if (at < first) visit(at, first, kNobody);
            if (run->second.content != content || run->second.origin != begin) visit(first, last, run->second.content);
            at = last;
        }
        if (at < end) visit(at, end, kNobody);
    }

private:
    struct Run {
        std::size_t end;
        int content;
        std::size_t origin;  // where the first byte of the content stands
    };
    void split(std::size_t at) {
        auto run = runs_.lower_bound(at);
        if (run == runs_.begin() || (run != runs_.end() && run->first == at)) return;
        --run;
        if (run->second.end <= at) return;
        runs_[at] = run->second;
        run->second.end = at;
    }
    std::map<std::size_t, Run> runs_;
};

class Checker {
public:
    explicit Checker(const Program& program)
        : program_(program), graph_(program.graph), plan_(program.plan), bounds_(graph_.bound_values()) {}

    std::vector<std::string> run() {
        if (!check_structure()) return std::move(complaints_);
        for (std::size_t i = 0; i < graph_.values.size(); ++i) check_place(static_cast<ValueId>(i));
        for (const Step& step : program_.steps) check_step(step);
        if (!complaints_.empty()) return std::move(complaints_);

        replay();
        return std::move(complaints_);
    }

private:
    template <class... Args>
    void complain(fmt::format_string<Args...> format, Args&&... args) {
        if (complaints_.size() < kMostComplaints)
            complaints_.push_back(fmt::format(format, std::forward<Args>(args)...));
    }

    const std::string& path(ValueId id) const { return graph_.value(id).path; }
    std::string describe_step(std::size_t i) const {
        return fmt::format("step {}, {}", i, describe(graph_, graph_.node(program_.steps[i].node)));
    }
    std::string text(const Range& range) const {
        return fmt::format("{} {} [{}, {})", plan_.devices[range.device].name, name(range.region), range.begin,
                           range.end);
    }
    static Range range(const Place& place, std::size_t bytes) {
        return {place.device, place.region, place.offset, place.offset + bytes};
    }
    Range range(ValueId id) const {
        return range(plan_.place(id), static_cast<std::size_t>(bytes_of(graph_.value(id).type, bounds_)));
    }
    Range scratch(const Step& step) const {
        return range(plan_.scratch[static_cast<std::size_t>(step.node)], step.scratch_bytes);
    }
    Owners& owners(const Range& r) { return owners_[r.device * kRegions + static_cast<std::size_t>(r.region)]; }

    // What must hold before a place can be looked at.

    bool check_structure() {
        if (plan_.values.size() != graph_.values.size() || plan_.scratch.size() != graph_.nodes.size())
            complain("the plan has places for {} values and {} nodes, the graph has {} and {}", plan_.values.size(),
                     plan_.scratch.size(), graph_.values.size(), graph_.nodes.size());
        for (const DevicePlan& device : plan_.devices)
            if (device.alignment == 0 || (device.alignment & (device.alignment - 1)) != 0)
                complain("{}: alignment {} is not a power of two", device.name, device.alignment);
        std::vector<int> seen(graph_.nodes.size());
        for (const Step& step : program_.steps) {
            if (step.node < 0 || static_cast<std::size_t>(step.node) >= graph_.nodes.size()) {
                complain("a step runs node {}, the graph has {}", step.node, graph_.nodes.size());
                return false;
            }
            ++seen[static_cast<std::size_t>(step.node)];
            if (step.device >= plan_.devices.size())
                complain("{}: device {} of {}", describe(graph_, graph_.node(step.node)), step.device,
                         plan_.devices.size());
        }
        for (std::size_t n = 0; n < seen.size(); ++n)
            if (const int wanted = graph_.nodes[n].op->is_view ? 0 : 1; seen[n] != wanted)
                complain("{}: expected {} steps, found {}", describe(graph_, graph_.nodes[n]), wanted, seen[n]);
        return complaints_.empty();
    }

    bool check_range(const std::string& what, const Place& place, std::size_t bytes) {
        if (place.device >= plan_.devices.size()) {
            complain("{}: device {} of {}", what, place.device, plan_.devices.size());
            return false;
        }
        const DevicePlan& device = plan_.devices[place.device];
        if (place.bytes < bytes) complain("{}: place of {} bytes for {}", what, place.bytes, bytes);
        if (place.offset % device.alignment != 0)
            complain("{}: offset {} is not a multiple of {}", what, place.offset, device.alignment);
        if (place.bytes > device.bytes(place.region) || place.offset > device.bytes(place.region) - place.bytes)
            complain("{}: {} bytes at {} reach past the end of {} {} ({} bytes)", what, place.bytes, place.offset,
                     device.name, name(place.region), device.bytes(place.region));
        return true;
    }

    void check_place(ValueId id) {
        const ValueInfo& value = graph_.value(id);
        const Place& place = plan_.place(id);
        if (!check_range(path(id), place, static_cast<std::size_t>(bytes_of(value.type, bounds_)))) return;
        if (const std::string& device = device_of(graph_, id);
            !device.empty() && device != plan_.devices[place.device].name)
            complain("{}: its place is on {}, but the graph puts it on {}", path(id), plan_.devices[place.device].name,
                     device);
        const auto must_be_in = [&](Region region) {
            if (place.region != region)
                complain("{}: expected in the {}, found in the {}", path(id), name(region), name(place.region));
        };
        if (value.kind == ValueKind::weight) must_be_in(Region::weights);
        if (value.kind == ValueKind::state) must_be_in(Region::states);
        if (value.kind == ValueKind::input || value.kind == ValueKind::constant) must_be_in(Region::io);
        if (place.region == Region::arena &&
            std::find(graph_.results.begin(), graph_.results.end(), id) != graph_.results.end())
            complain("result {} is in the arena, where the next step writes", path(id));
    }

    void check_step(const Step& step) {
        const Node& node = graph_.node(step.node);
        const std::string what = describe(graph_, node);
        const auto on_its_device = [&](ValueId id) {
            if (plan_.place(id).device != step.device)
                complain("{}: runs on {}, {} is on device {}", what, plan_.devices[step.device].name, path(id),
                         plan_.place(id).device);
        };
        for (const ValueId id : node.outputs) on_its_device(id);
        if (node.op != &kCopy)
            for (const ValueId id : present(node.inputs)) on_its_device(id);
        const Place& scratch_place = plan_.scratch[static_cast<std::size_t>(step.node)];
        if (step.scratch_bytes == 0 && scratch_place.bytes == 0) return;
        check_range(fmt::format("scratch of {}", what), scratch_place, step.scratch_bytes);
        if (scratch_place.device != step.device || scratch_place.region != Region::arena)
            complain("{}: its scratch is not in the arena of its device", what);
    }

    // The replay.

    /// The value whose bytes a value is: what a view is a view of.
    ValueId content(ValueId id) const {
        for (NodeId from = graph_.value(id).producer; from >= 0 && graph_.node(from).op->is_view;
             from = graph_.value(id).producer)
            id = graph_.node(from).inputs[graph_.node(from).op->aliases[0].input];
        return id;
    }

    void replay() {
        owners_.assign(plan_.devices.size() * kRegions, {});
        for (std::size_t i = 0; i < graph_.values.size(); ++i) {
            const auto id = static_cast<ValueId>(i);
            if (graph_.value(id).kind == ValueKind::result) continue;
            const Range at = range(id);  // leaves are there before the first step: no two share a byte
            owners(at).others(at.begin, at.end, id, [&](std::size_t begin, std::size_t end, int owner) {
                if (owner != kNobody)
                    complain("{} and {} are both at {}", path(id), path(owner),
                             text({at.device, at.region, begin, end}));
            });
            owners(at).write(at.begin, at.end, id);
        }
        for (const Node& node : graph_.nodes)
            if (node.op->is_view) check_view(node);
        for (std::size_t i = 0; i < program_.steps.size(); ++i) {
            const Step& step = program_.steps[i];
            const Node& node = graph_.node(step.node);
            for (const ValueId id : present(node.inputs)) read(id, [&] { return describe_step(i); });
            check_writes(i);
            write(scratch(step), kScratch, i);
            for (const ValueId id : node.outputs) write(range(id), id, i);
            if (complaints_.size() >= kMostComplaints) return;
        }
        for (const ValueId id : graph_.results) read(id, [] { return "the caller"; });
        std::vector<bool> is_updated(graph_.values.size());
        for (const StateUpdate& update : graph_.updates) is_updated[static_cast<std::size_t>(update.state)] = true;
        for (std::size_t i = 0; i < graph_.values.size(); ++i) {
            const ValueInfo& value = graph_.values[i];
            if (value.kind == ValueKind::constant || value.kind == ValueKind::weight ||
                (value.kind == ValueKind::state && !is_updated[i]))
                read(static_cast<ValueId>(i), [] { return "the next run"; });
        }
        for (const StateUpdate& update : graph_.updates) {
            read(update.next, [] { return "the next run"; });
            if (!(range(update.next) == range(update.state)))
                complain("{} is not at the place of {}", path(update.next), path(update.state));
        }
    }

    void check_view(const Node& node) {
        for (const auto& [output, input] : node.op->aliases)
            if (!(range(node.outputs[output]) == range(node.inputs[input])))
                complain("{} is a view of {}, but is at {}, not {}", path(node.outputs[output]),
                         path(node.inputs[input]), text(range(node.outputs[output])), text(range(node.inputs[input])));
    }

    template <class Who>
    void read(ValueId id, Who&& who) {
        const Range at = range(id);
        bool told = false;
        owners(at).others(at.begin, at.end, content(id), [&](std::size_t begin, std::size_t end, int owner) {
            if (std::exchange(told, true)) return;
            const std::string where = text({at.device, at.region, begin, end});
            if (owner == kNobody)
                complain("{} reads {}, which nobody has written at {}", who(), path(id), where);
            else
                complain("{} reads {}, which {} has overwritten at {}", who(), path(id),
                         owner == kScratch ? "scratch" : path(owner), where);
        });
    }

    void write(const Range& at, int content, std::size_t step) {
        if (at.begin < at.end && at.region == Region::weights)
            complain("{} writes into the weights at {}", describe_step(step), text(at));
        owners(at).write(at.begin, at.end, content);
    }

    /// Whether an output may stand over an input: because the op says that it is that input's memory, or works in place
    /// there. Another input that shares the memory, such as a view of a cache that is appended to it, must not.
    static bool is_alias(const Node& node, std::size_t output, std::size_t input) {
        const auto& aliases = node.op->aliases;
        return std::find(aliases.begin(), aliases.end(), Alias{output, input}) != aliases.end();
    }
    bool may_share(const Node& node, const std::vector<Range>& parts, std::size_t output, std::size_t input) const {
        const ValueId to = node.outputs[output], from = node.inputs[input];
        if (is_alias(node, output, input)) return true;
        if (!parts.empty() && parts[input] == range(from)) return true;
        return output == 0 && node.op->in_place == input && range(from) == range(to) &&
               graph_.value(from).type == graph_.value(to).type;
    }

    /// Of an op that joins its inputs: where the output has the bytes of each. Empty of every other.
    std::vector<Range> parts_of(const Node& node) const {
        if (node.op->joins_inputs == nullptr || !node.op->joins_inputs(types_of(graph_, node.inputs), node.attributes))
            return {};
        std::vector<Range> parts;
        Range part = range(node.outputs[0]);
        for (const ValueId id : node.inputs) {
            part.end = part.begin + static_cast<std::size_t>(bytes_of(graph_.value(id).type, bounds_));
            parts.push_back(part);
            part.begin = part.end;
        }
        return parts;
    }

    /// What a step writes: apart from what it reads, and its parts from each other.
    void check_writes(std::size_t i) {
        const Node& node = graph_.node(program_.steps[i].node);
        const Range own_scratch = scratch(program_.steps[i]);
        const std::vector<Range> parts = parts_of(node);
        for (std::size_t o = 0; o < node.outputs.size(); ++o) {
            const Range out = range(node.outputs[o]);
            for (std::size_t in = 0; in < node.inputs.size(); ++in)
                if (node.inputs[in] != kAbsent && out.overlaps(range(node.inputs[in])) &&
                    !may_share(node, parts, o, in))
                    complain("{}: output {} at {} lies over input {} at {}", describe_step(i), path(node.outputs[o]),
                             text(out), path(node.inputs[in]), text(range(node.inputs[in])));
            for (const Alias& alias : node.op->aliases)
                if (alias.output == o && !(out == range(node.inputs[alias.input])))
                    complain("{}: output {} is not at the place of {}", describe_step(i), path(node.outputs[o]),
                             path(node.inputs[alias.input]));
            for (std::size_t other = 0; other < o; ++other)
                if (out.overlaps(range(node.outputs[other])))
                    complain("{}: outputs {} and {} overlap at {}", describe_step(i), path(node.outputs[other]),
                             path(node.outputs[o]), text(out));
            if (own_scratch.overlaps(out))
                complain("{}: its scratch at {} lies over output {}", describe_step(i), text(own_scratch),
                         path(node.outputs[o]));
        }
        for (const ValueId id : present(node.inputs))
            if (own_scratch.overlaps(range(id)))
                complain("{}: its scratch at {} lies over input {}", describe_step(i), text(own_scratch), path(id));
    }

    const Program& program_;
    const Graph& graph_;
    const Plan& plan_;
    SymbolValues bounds_;
    std::vector<Owners> owners_;  // by device and region
    std::vector<std::string> complaints_;
};

}  // namespace

std::vector<std::string> check_plan(const Program& program) { return Checker(program).run(); }

void require_sound(const Program& program) {
    const std::vector<std::string> complaints = check_plan(program);
    if (complaints.empty()) return;
    const std::string more = complaints.size() > 1 ? fmt::format(" (and {} more)", complaints.size() - 1) : "";
    fail("the plan of {} is wrong: {}{}", program.graph.name, complaints[0], more);
}

}  // namespace vitro
