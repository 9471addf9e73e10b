#include "runtime/model_taps.h"

#include "base/nearest.h"
#include "passes/passes.h"
#include "runtime/compile_model.h"

#include <fnmatch.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <tuple>

namespace vitro {
namespace {

Recovery recovered(LanguageModel& model, Phase phase, Graph source) {
    const Graph as_written = source;
    const PipelineReport report = optimize(source, model.targets(), model.options().passes);
    return Recovery(model.program(phase), as_written, report.journal, model.targets().back().backend);
}

bool is_glob(std::string_view pattern) { return pattern.find_first_of("*?[") != std::string_view::npos; }

bool matches(const std::string& pattern, const std::string& path) {
    if (!is_glob(pattern)) return path == pattern || path.ends_with("." + pattern);
    return fnmatch(pattern.c_str(), path.c_str(), 0) == 0 || fnmatch(("*." + pattern).c_str(), path.c_str(), 0) == 0;
}

}  // namespace

ModelTaps::ModelTaps(LanguageModel& model, Phase phase)
    : model_(model),
      phase_(phase),
      source_(naive_graph(model.config(), phase, model.options(), &model.checkpoint())),
      recovery_(recovered(model, phase, source_)) {
    std::vector<std::tuple<NodeId, ValueId, std::string>> order;  // leaves first, then as nodes run
    for (const auto& [path, found] : recovery_.values())
        order.emplace_back(recovery_.graph().value(found.id).producer, found.id, path);
    std::sort(order.begin(), order.end());
    for (auto& entry : order) paths_.push_back(std::move(std::get<std::string>(entry)));
}

ModelTaps::~ModelTaps() { model_.executor(phase_).tap({}); }

void ModelTaps::tap(std::span<const std::string> patterns) {
    std::set<std::string> wanted;
    for (const std::string& pattern : patterns) {
        bool found = false;
        for (const std::string& path : paths_) {
            if (!matches(pattern, path)) continue;
            const ValueKind kind = recovery_.graph().value(recovery_.values().at(path).id).kind;
            if (is_glob(pattern) && (kind == ValueKind::weight || kind == ValueKind::constant)) continue;
            wanted.insert(path);
            found = true;
        }
        if (!found)
            fail(
                "expected the path of a value, its end, or a glob such as layers.*.mlp.gated, found '{}', which "
                "matches nothing{}",
                pattern, did_you_mean_path(pattern, std::vector<std::string_view>(paths_.begin(), paths_.end())));
    }
    tap_paths({wanted.begin(), wanted.end()});
}

void ModelTaps::tap_all() {
    std::vector<std::string> all;
    for (const std::string& path : paths_)
        if (recovery_.graph().value(recovery_.values().at(path).id).producer >= 0) all.push_back(path);
    tap_paths(std::move(all));
}

void ModelTaps::tap_paths(std::vector<std::string> paths) {
    tapped_ = std::move(paths);
    std::vector<ValueId> wanted;
    for (const std::string& path : tapped_) wanted.push_back(recovery_.values().at(path).id);
    tap_values(wanted);
}

void ModelTaps::tap_values(std::span<const ValueId> wanted) { model_.executor(phase_).tap(recovery_.taps_for(wanted)); }

void ModelTaps::compute(std::span<const ValueId> wanted,
                        const std::function<void(ValueId id, const Elements& elements)>& take) const {
    recovery_.compute(
        wanted, model_.executor(phase_).symbols(), model_.targets().back().backend,
        [this](ValueId id) { return of_program(id); }, take);
}

Tensor ModelTaps::tensor_of(ValueId id, const Elements& elements) const {
    Tensor tensor = vitro::tensor_of(recovery_.graph().value(id).type, model_.executor(phase_).symbols());
    tensor.data = const_cast<std::byte*>(elements.data());  // whoever is given it only reads
    return tensor;
}

Elements ModelTaps::of_program(ValueId id) const {
    Executor& executor = model_.executor(phase_);
    const Program& program = executor.program();
    Tensor tensor;
    if (program.plan.place(id).region != Region::weights) {
        tensor = executor.tapped(id);
        const auto* data = static_cast<const std::byte*>(tensor.data);
        return {data, data + tensor.bytes()};
    }
    tensor = executor.tensor(id, executor.symbols());
    Elements out(static_cast<std::size_t>(tensor.bytes()));
    if (!out.empty())
        model_.targets()[program.plan.place(id).device].backend.download(out.data(), tensor.data, out.size());
    return out;
}

Elements ModelTaps::weight(const std::string& path) const {
    return model_.checkpoint().bytes(source_.value(source_.find(path)).source);
}

void ModelTaps::read(const std::function<void(const SeenValue&)>& take) const {
    std::multimap<ValueId, const std::string*> paths;
    std::vector<ValueId> wanted;
    for (const std::string& path : tapped_) {
        const ValueId id = recovery_.values().at(path).id;
        if (!paths.contains(id)) wanted.push_back(id);
        paths.emplace(id, &path);
    }
    compute(wanted, [&](ValueId id, const Elements& elements) {
        for (auto [at, end] = paths.equal_range(id); at != end; ++at) {
            const Recovery::Found& found = recovery_.values().at(*at->second);
            take({*at->second, found.in, found.is_copied, recovery_.graph().value(id).type, tensor_of(id, elements)});
        }
    });
}

}  // namespace vitro
