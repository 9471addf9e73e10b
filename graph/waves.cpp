// Which steps of a planned program may run side by side.
#include "graph/schedule.h"

#include "graph/program.h"

#include <algorithm>
#include <map>

namespace vitro {
namespace {

/// For the bytes of one region: the last wave so far that writes them, and the last one that reads them.
class Waves {
public:
    struct Last {
        int write = -1, read = -1;
    };

    /// Calls visit(Last&) for what is known of the bytes [begin, end), run by run.
    template <class Visit>
    void each(std::size_t begin, std::size_t end, Visit&& visit) {
        if (begin == end) return;
        split(begin);
        split(end);
        for (auto run = runs_.find(begin); run->first != end; ++run) visit(run->second);
    }

    /// Steps of `wave` write [begin, end): what was known of it lies in earlier waves.
    void write(std::size_t begin, std::size_t end, int wave) {
        if (begin == end) return;
        split(begin);
        split(end);
        const auto first = runs_.find(begin);
        runs_.erase(std::next(first), runs_.find(end));
        first->second = {wave, -1};
    }

private:
    /// Lets a run begin at `at`. Before the first and behind the last run nothing is known.
    void split(std::size_t at) {
        const auto next = runs_.lower_bound(at);
        if (next != runs_.end() && next->first == at) return;
        runs_.emplace_hint(next, at, next == runs_.begin() ? Last{} : std::prev(next)->second);
    }

    std::map<std::size_t, Last> runs_;  // by where they begin; each ends where the next one begins
};

}  // namespace

void number_waves(Program& program) {
    const Plan& plan = program.plan;
    std::vector<Waves> waves(plan.devices.size() * kRegions);
    const auto waves_of = [&](const Place& place) -> Waves& {
        return waves[place.device * kRegions + static_cast<std::size_t>(place.region)];
    };
    std::vector<Place> reads, writes;
    for (Step& step : program.steps) {
        const Node& node = program.graph.node(step.node);
        reads.clear();
        writes.clear();
        for (const ValueId id : node.inputs)
            if (plan.place(id).region != Region::weights) reads.push_back(plan.place(id));
        for (const ValueId id : node.outputs) writes.push_back(plan.place(id));
        writes.push_back(plan.scratch[static_cast<std::size_t>(step.node)]);

        step.wave = 0;
        const auto after = [&](int wave) { step.wave = std::max(step.wave, wave + 1); };
        for (const Place& at : reads)
            waves_of(at).each(at.offset, at.offset + at.bytes, [&](const Waves::Last& last) { after(last.write); });
        for (const Place& at : writes)
            waves_of(at).each(at.offset, at.offset + at.bytes,
                              [&](const Waves::Last& last) { after(std::max(last.write, last.read)); });
        for (const Place& at : reads)
            waves_of(at).each(at.offset, at.offset + at.bytes,
                              [&](Waves::Last& last) { last.read = std::max(last.read, step.wave); });
        for (const Place& at : writes) waves_of(at).write(at.offset, at.offset + at.bytes, step.wave);
    }
}

}  // namespace vitro
