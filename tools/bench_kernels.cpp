#include "tools/bench.h"

#include "runtime/profile.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace vitro {
namespace {

/// Steps that do the same to tensors of the same types.
struct Kind {
    std::vector<std::size_t> steps;
    double seconds = 0;  // of all
};

std::string kind_of(const Graph& graph, const Node& node) {
    std::string text(node.op->name);
    for (const auto& [name, value] : node.attributes.texts()) text += " " + name + "=" + value;
    for (const ValueId id : present(node.inputs)) text += " " + to_string(graph.value(id).type);
    return text + " " + node.device;
}

/// The median time of these steps, replayed as one recording where the device can. Few steps run several times in a
/// row: the clock of a device is not fine enough for one.
double median_seconds(Executor& executor, std::span<const std::size_t> steps, Backend& backend, int repeats) {
    constexpr std::size_t kLeastSteps = 16;
    const std::size_t rounds = backend.is_host() ? 1 : (kLeastSteps + steps.size() - 1) / steps.size();
    const auto queue = [&] { executor.run_steps(steps); };
    queue();
    const auto recording = backend.record(queue);
    std::vector<double> seconds;
    for (int i = 0; i < repeats; ++i)
        seconds.push_back(seconds_of(backend, [&] {
            for (std::size_t round = 0; round < rounds; ++round)
                if (recording == nullptr || !recording->replay()) queue();
        }));
    std::nth_element(seconds.begin(), seconds.begin() + repeats / 2, seconds.end());
    return seconds[static_cast<std::size_t>(repeats / 2)] / double(rounds);
}

}  // namespace

nlohmann::ordered_json kernel_times(LanguageModel& model, Phase phase, const Devices& devices, int repeats) {
    Executor& executor = model.executor(phase);
    const Program& program = executor.program();
    std::map<std::string, Kind> kinds;
    for (std::size_t i = 0; i < program.steps.size(); ++i)
        if (program.steps[i].run != nullptr)
            kinds[kind_of(program.graph, program.graph.node(program.steps[i].node))].steps.push_back(i);
    std::vector<const Kind*> order;
    for (auto& [text, kind] : kinds) {
        kind.seconds = median_seconds(executor, kind.steps, executor.call(kind.steps[0]).backend, repeats);
        order.push_back(&kind);
    }
    std::sort(order.begin(), order.end(), [](const Kind* a, const Kind* b) { return a->seconds > b->seconds; });
    nlohmann::ordered_json out = nlohmann::json::array();
    for (const Kind* kind : order) {
        const Node& node = program.graph.node(program.steps[kind->steps[0]].node);
        const auto count = static_cast<double>(kind->steps.size());
        const double seconds = kind->seconds / count;
        const Cost cost = cost_of_step(executor, kind->steps[0], devices.targets.back().backend);
        out.push_back({{"op", node.op->name},
                       {"first", program.graph.value(node.outputs[0]).path},
                       {"count", kind->steps.size()},
                       {"seconds", seconds},
                       {"bytes", cost.bytes},
                       {"flops", cost.flops},
                       {"bytes_per_second", static_cast<double>(cost.bytes) / seconds},
                       {"flops_per_second", static_cast<double>(cost.flops) / seconds}});
    }
    return out;
}

}  // namespace vitro
