#include "runtime/profile.h"

#include "graph/dump/repeat.h"
#include "graph/dump/subject.h"
#include "runtime/append.h"
#include "runtime/expect.h"

#include <algorithm>
#include <chrono>
#include <map>

namespace vitro {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::vector<ProfiledStep> steps_of(const Program& program) {
    const Modules modules(program.graph);
    std::vector<ProfiledStep> out;
    for (const Step& step : program.steps) {
        const Node& node = program.graph.node(step.node);
        const std::string& path = program.graph.value(node.outputs[0]).path;
        out.push_back({.path = path,
                       .op = std::string(node.op->name),
                       .module = std::string(modules.of(path)),
                       .device = program.plan.devices[step.device].name,
                       .is_reference = step.is_reference,
                       .arithmetic = arithmetic_of(program.graph, node)});
    }
    return out;
}

/// The layers that a group's steps stand in, and where their number stands in its name; none: -1.
struct Layers {
    std::int64_t first = -1, last = -1;
    std::size_t at = 0;
};

/// The name of a group; of what is told of all layers at once with "N" for the layer's number.
std::string key_of(const ProfiledStep& step, ProfileBy by) {
    const LayerOfPath layer = layer_of(step.path);
    switch (by) {
        case ProfileBy::step:
            return step.path;
        case ProfileBy::op:
            return step.op;
        case ProfileBy::layer:
            return layer.index < 0 ? "outside of layers" : fmt::format("{}.{}", layer.layers, layer.index);
        case ProfileBy::path:
        case ProfileBy::module:
            break;
    }
    const std::string& whole = by == ProfileBy::path ? step.path : step.module;
    if (layer.index < 0) return whole.empty() ? "the model itself" : whole;
    const std::string own = fmt::format("{}.{}", layer.layers, layer.index);
    return fmt::format("{}.N{}", layer.layers, whole.size() > own.size() ? whole.substr(own.size()) : "");
}

}  // namespace

std::string ProfileRow::of_peak_text() const {
    if (!of_peak()) return "read from a cache";
    return fmt::format("{:.0f}% of the {} peak", 100 * *of_peak(), bound_by());
}

std::string_view name(ProfileBy by) {
    static constexpr std::string_view kNames[] = {"step", "path", "op", "module", "layer"};
    return kNames[static_cast<std::size_t>(by)];
}

double ProfiledRun::kernels() const {
    double sum = 0;
    for (const Time& step : steps) sum += step.end - step.begin;
    return sum;
}

double ProfiledRun::between() const { return steps.empty() ? 0 : steps.back().end - steps.front().begin - kernels(); }

Profile::Profile(LanguageModel& model)
    : model_(model),
      wanted_(is_language_model(model.config()) ? Want::token : usual_result(model.config())),
      start_(now()) {
    VITRO_CHECK(model.options().max_sequences == 1);
    for (const Phase phase : {Phase::prefill, Phase::decode})
        steps_[static_cast<std::size_t>(phase)] = steps_of(model.program(phase));
}

std::int32_t Profile::step(std::span<const std::int32_t> tokens) {
    const StepPart whole{.tokens = tokens, .want = wanted_};
    model_.check({&whole, 1});
    const std::int64_t length = std::ssize(model_.tokens(0)) + std::ssize(tokens);
    const auto chunk = static_cast<std::size_t>(model_.options().chunk);
    std::int32_t next = -1;
    while (!tokens.empty()) {
        const auto first = tokens.first(std::min(chunk, tokens.size()));
        tokens = tokens.subspan(first.size());
        next = piece(first, tokens.empty(), length);
    }
    return next;
}

std::int32_t Profile::piece(std::span<const std::int32_t> tokens, bool is_last, std::int64_t whole_length) {
    const std::int64_t length = std::ssize(model_.tokens(0));
    const StepPart part{.tokens = tokens, .want = is_last ? wanted_ : Want::nothing, .length = whole_length};
    ProfiledRun run{.phase = tokens.size() == 1 ? Phase::decode : Phase::prefill,
                    .first_position = length,
                    .tokens = std::ssize(tokens)};
    Executor& executor = model_.executor(run.phase);
    Backend& host = model_.targets().back().backend;
    std::int32_t next = -1;
    const auto make = [&](bool timed) {
        model_.truncate(0, length);
        executor.time_steps(timed);
        const double begin = now();
        const PartResult result = append(model_, part);
        const double end = now();
        if (!result.tokens.empty()) next = result.tokens.front();
        if (!timed) {
            run.untimed = end - begin;
            return;
        }
        run.begin = begin - start_;
        run.end = end - start_;
        run.program_begin = executor.began() - start_;
        run.steps.clear();
        for (const Executor::StepTime& time : executor.step_times())
            run.steps.push_back({run.program_begin + time.begin, run.program_begin + time.end, {}});
    };
    // A device that records does so at the second run with the same sizes.
    bool& is_warm = is_warm_[static_cast<std::size_t>(run.phase)];
    const int rounds = is_warm ? 0 : model_.targets().front().backend.is_host() ? 1 : 2;
    is_warm = true;
    for (int i = 0; i < rounds; ++i) {
        make(false);
        make(true);
    }
    const bool first = runs_.size() % 2 == 0;
    make(first);
    make(!first);
    for (std::size_t i = 0; i < run.steps.size(); ++i) run.steps[i].cost = cost_of_step(executor, i, host);
    executor.time_steps(false);
    runs_.push_back(std::move(run));
    return next;
}

std::optional<double> Profile::overhead(Phase phase) const {
    std::vector<double> ratios;
    for (const ProfiledRun& run : runs_)
        if (run.phase == phase) ratios.push_back(run.seconds() / run.untimed);
    if (ratios.empty()) return {};
    const auto middle = ratios.begin() + std::ssize(ratios) / 2;
    std::nth_element(ratios.begin(), middle, ratios.end());
    return *middle - 1;
}

std::vector<ProfileRow> rows_of(const Profile& profile, Phase phase, ProfileBy by,
                                const std::map<std::string, Peaks>& peaks) {
    const std::vector<ProfiledStep>& steps = profile.steps(phase);
    std::vector<ProfileRow> rows;
    std::map<std::string, std::size_t> known;
    std::vector<Layers> layers;
    std::vector<std::size_t> row_of;
    for (const ProfiledStep& step : steps) {
        const std::string key = key_of(step, by);
        const auto [at, is_new] = known.try_emplace(key + " " + step.device, rows.size());
        if (is_new) {
            rows.push_back({.name = key, .device = step.device, .op = step.op});
            layers.emplace_back();
        }
        row_of.push_back(at->second);
        Layers& own = layers[at->second];
        const LayerOfPath layer = layer_of(step.path);
        if (own.first < 0) own.first = layer.index;
        own.last = std::max(own.last, layer.index);
        own.at = layer.layers.size() + 1;
    }
    for (const ProfiledRun& run : profile.runs()) {
        if (run.phase != phase) continue;
        for (std::size_t i = 0; i < run.steps.size(); ++i) {
            ProfileRow& row = rows[row_of[i]];
            const ProfiledRun::Time& time = run.steps[i];
            const Peaks& peak = peaks.at(steps[i].device);
            const double for_bytes = peak.seconds_for_bytes(time.cost),
                         for_flops = peak.seconds_for_flops(time.cost, steps[i].arithmetic);
            ++row.calls;
            row.seconds += time.end - time.begin;
            row.cost.bytes += time.cost.bytes;
            row.cost.flops += time.cost.flops;
            row.bytes_bound += for_bytes;
            row.flops_bound += for_flops;
            row.bound += std::max(for_bytes, for_flops);
        }
    }
    if (by == ProfileBy::path || by == ProfileBy::module)
        for (std::size_t i = 0; i < rows.size(); ++i) {
            if (layers[i].first < 0) continue;
            const std::string numbers = layers[i].first == layers[i].last
                                            ? fmt::format("{}", layers[i].first)
                                            : fmt::format("{}-{}", layers[i].first, layers[i].last);
            rows[i].name.replace(layers[i].at, 1, numbers);
        }
    if (by != ProfileBy::layer)
        std::stable_sort(rows.begin(), rows.end(),
                         [](const ProfileRow& a, const ProfileRow& b) { return a.seconds > b.seconds; });
    return rows;
}

Cost cost_of_step(const Executor& executor, std::size_t step, Backend& host) {
    const Call call = executor.call(step);
    std::vector<Tensor> inputs(call.inputs.begin(), call.inputs.end());
    std::vector<std::vector<std::byte>> copies;
    for (Tensor& tensor : inputs) {
        if (call.backend.is_host()) continue;
        if (tensor.dtype != DType::i32) {
            tensor.data = nullptr;
            continue;
        }
        copies.emplace_back(static_cast<std::size_t>(tensor.bytes()));
        call.backend.download(copies.back().data(), tensor.data, copies.back().size());
        tensor.data = copies.back().data();
    }
    const Node& node = executor.program().graph.node(executor.program().steps[step].node);
    return cost_of(*node.op, {inputs, call.outputs, call.attributes, host});
}

Cost cost_of_run(const Executor& executor, Backend& host) {
    const Program& program = executor.program();
    Cost all;
    for (std::size_t i = 0; i < program.steps.size(); ++i) {
        if (program.steps[i].run == nullptr) continue;
        Cost cost = cost_of_step(executor, i, host);
        const Call call = executor.call(i);
        const Node& node = program.graph.node(program.steps[i].node);
        const auto leave_out = [&](const std::vector<ValueId>& ids, std::span<const Tensor> tensors) {
            for (std::size_t at = 0; at < ids.size(); ++at) {
                if (ids[at] == kAbsent) continue;
                const Region region = program.plan.place(ids[at]).region;
                if (region != Region::weights && region != Region::states) cost.bytes -= tensors[at].bytes();
            }
        };
        leave_out(node.inputs, call.inputs);
        leave_out(node.outputs, call.outputs);
        all.bytes += std::max<std::int64_t>(0, cost.bytes);
        all.flops += cost.flops;
    }
    return all;
}

}  // namespace vitro
