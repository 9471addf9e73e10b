#include "tests/graph/replay.h"

#include <algorithm>
#include <array>

namespace vitro::testing {
namespace {

constexpr std::size_t kGranule = 64;  // the alignment of places on the CPU: bytes that have one owner
constexpr int kNobody = -1;
constexpr int kScratch = -2;

class Replay {
public:
    explicit Replay(const Program& program) : program_(program), graph_(program.graph) {
        for (std::size_t region = 0; region < kRegions; ++region)
            owners_[region].assign(program.plan.devices[0].region_bytes[region] / kGranule, kNobody);
        for (std::size_t i = 0; i < graph_.values.size(); ++i) content_.push_back(static_cast<int>(i));
    }

    std::vector<std::string> run() {
        for (std::size_t i = 0; i < graph_.values.size(); ++i) {
            const auto id = static_cast<ValueId>(i);
            check_place(id);
            const ValueKind kind = graph_.value(id).kind;
            if (kind == ValueKind::weight || kind == ValueKind::result) continue;
            own(id);
        }
        for (std::size_t n = 0; n < graph_.nodes.size(); ++n) step(static_cast<NodeId>(n));
        for (const ValueId id : graph_.results) read(id, "the caller");
        for (const ValueId id : graph_.values_of(ValueKind::constant)) read(id, "the next step");
        for (const StateUpdate& update : graph_.updates) {
            read(update.next, "the next step");
            if (place(update.next).offset != place(update.state).offset ||
                place(update.next).region != place(update.state).region)
                complain("{} does not stand where {} stands", graph_.value(update.next).path,
                         graph_.value(update.state).path);
        }
        return std::move(complaints_);
    }

private:
    const Place& place(ValueId id) const { return program_.plan.place(id); }

    template <class... Args>
    void complain(fmt::format_string<Args...> format, Args&&... args) {
        complaints_.push_back(fmt::format(format, std::forward<Args>(args)...));
    }

    void check_place(ValueId id) {
        const Place& p = place(id);
        if (p.region == Region::weights) return;
        const auto bytes = static_cast<std::size_t>(bytes_of(graph_.value(id).type, graph_.bound_values()));
        if (p.bytes < bytes) complain("{}: {} bytes for {}", graph_.value(id).path, p.bytes, bytes);
        if (p.offset % kGranule != 0) complain("{}: offset {}", graph_.value(id).path, p.offset);
        if (p.offset + p.bytes > program_.plan.bytes(p.region))
            complain("{} ends at {} past the end of its region", graph_.value(id).path, p.offset + p.bytes);
    }

    /// The granules of a place, those past the end of the region left out.
    template <class Visit>
    void each(const Place& p, Visit&& visit) {
        auto& owners = owners_[static_cast<std::size_t>(p.region)];
        const std::size_t end = std::min((p.offset + p.bytes + kGranule - 1) / kGranule, owners.size());
        for (std::size_t i = p.offset / kGranule; i < end; ++i) visit(owners[i]);
    }

    /// Values that are there before the first step: no two share a byte.
    void own(ValueId id) {
        each(place(id), [&](int& owner) {
            if (owner != kNobody) complain("{} lies over {}", graph_.value(id).path, graph_.value(owner).path);
            owner = content_[static_cast<std::size_t>(id)];
        });
    }

    void read(ValueId id, const std::string& reader) {
        if (place(id).region == Region::weights) return;
        int other = content_[static_cast<std::size_t>(id)];
        each(place(id), [&](int& owner) {
            if (owner != content_[static_cast<std::size_t>(id)]) other = owner;
        });
        if (other == content_[static_cast<std::size_t>(id)]) return;
        complain("{} reads {}, which {} has overwritten", reader, graph_.value(id).path,
                 other == kScratch  ? "scratch"
                 : other == kNobody ? "nobody"
                                    : graph_.value(other).path);
    }

    static bool overlap(const Place& a, const Place& b) {
        return a.bytes > 0 && b.bytes > 0 && a.region == b.region && a.offset < b.offset + b.bytes &&
               b.offset < a.offset + a.bytes;
    }

    void step(NodeId n) {
        const Node& node = graph_.node(n);
        const std::string what = describe(graph_, node);
        for (const ValueId input : node.inputs) read(input, what);
        const Place& scratch = program_.plan.scratch[static_cast<std::size_t>(n)];
        for (std::size_t o = 0; o < node.outputs.size(); ++o) {
            const ValueId output = node.outputs[o];
            const auto alias = std::find_if(node.op->aliases.begin(), node.op->aliases.end(),
                                            [&](const Alias& a) { return a.output == o; });
            for (std::size_t i = 0; i < node.inputs.size(); ++i) {
                const ValueId input = node.inputs[i];
                const bool is_alias = alias != node.op->aliases.end() && alias->input == i;
                const bool same =
                    place(output).region == place(input).region && place(output).offset == place(input).offset;
                if (is_alias && !same) complain("{}: output {} does not stand where its input stands", what, o);
                const bool in_place =
                    o == 0 && node.op->in_place == i && same && graph_.value(input).type == graph_.value(output).type;
                // One memory twice among the inputs, such as two views: an alias of either is one of both.
                const bool shares_alias = alias != node.op->aliases.end() &&
                                          content_[static_cast<std::size_t>(input)] ==
                                              content_[static_cast<std::size_t>(node.inputs[alias->input])];
                if (!is_alias && !in_place && !shares_alias && overlap(place(output), place(input)))
                    complain("{}: output {} lies over input {}", what, o, i);
            }
            for (std::size_t other = 0; other < o; ++other)
                if (overlap(place(output), place(node.outputs[other])))
                    complain("{}: outputs {} and {} overlap", what, other, o);
            if (overlap(scratch, place(output))) complain("{}: scratch lies over output {}", what, o);
        }
        for (const ValueId input : node.inputs)
            if (overlap(scratch, place(input))) complain("{}: scratch lies over {}", what, graph_.value(input).path);

        each(scratch, [&](int& owner) { owner = kScratch; });
        for (std::size_t o = 0; o < node.outputs.size(); ++o) {
            const ValueId output = node.outputs[o];
            if (node.op->is_view) {  // nothing is written: both are the same content from now on
                for (const Alias& alias : node.op->aliases)
                    if (alias.output == o)
                        content_[static_cast<std::size_t>(output)] =
                            content_[static_cast<std::size_t>(node.inputs[alias.input])];
                continue;
            }
            each(place(output), [&](int& owner) { owner = content_[static_cast<std::size_t>(output)]; });
        }
    }

    const Program& program_;
    const Graph& graph_;
    std::array<std::vector<int>, kRegions> owners_;  // content that wrote each granule last
    std::vector<int> content_;                       // by ValueId: the value whose bytes these are; differs for views
    std::vector<std::string> complaints_;
};

}  // namespace

std::vector<std::string> replay(const Program& program) { return Replay(program).run(); }

}  // namespace vitro::testing
