#include "runtime/kept_run.h"

#include "graph/difference.h"
#include "graph/evaluate.h"
#include "graph/text.h"
#include "ops/linear/linear.h"
#include "passes/passes.h"
#include "runtime/compile_model.h"
#include "runtime/errors.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace vitro {

std::string line_of(const Graph& graph, const Node& node) {
    std::vector<std::string> types;
    for (const ValueId id : present(node.inputs)) types.push_back(to_string(graph.value(id).type));
    return fmt::format("{}, of {}", print(graph, node), fmt::join(types, " and "));
}

std::span<const float> KeptRun::step(const StepPart& part) {
    VITRO_CHECK(model_.options().max_sequences == 1);
    phase_ = part.tokens.size() == 1 ? Phase::decode : Phase::prefill;
    std::unique_ptr<ModelTaps>& taps = taps_[static_cast<std::size_t>(phase_)];
    if (taps == nullptr) {
        taps = std::make_unique<ModelTaps>(model_, phase_);
        const Graph& graph = taps->recovery().graph();
        std::vector<ValueId> all;
        for (std::size_t i = 0; i < graph.values.size(); ++i)
            if (graph.values[i].kind != ValueKind::weight && graph.values[i].kind != ValueKind::constant)
                all.push_back(static_cast<ValueId>(i));
        taps->tap_values(all);
    }
    try {
        return model_.step({&part, 1}).front().values;
    } catch (const NotFiniteError&) {
        return {};
    }
}

std::optional<DType> KeptRun::rounds_to() const {
    std::optional<DType> found;
    for (const Node& node : program().graph.nodes) {
        if (node.op != &kLinear) continue;
        const DType x = program().graph.value(node.inputs[Linear::kX]).type.dtype;
        if (is_rounded(x)) return x;
        if (node.attributes.as<Linear>().x_rounded) found = x;
    }
    return found;
}

ValueId KeptRun::find(const std::string& path) const {
    const auto found = taps().recovery().values().find(path);
    if (found == taps().recovery().values().end()) return -1;
    const ValueKind kind = taps().recovery().graph().value(found->second.id).kind;
    return kind == ValueKind::weight || kind == ValueKind::constant ? -1 : found->second.id;
}

bool KeptRun::is_copied(ValueId id) const {
    return program().graph.find(taps().recovery().graph().value(id).path) >= 0;
}

Elements KeptRun::elements(ValueId id) const {
    Elements out;
    taps().compute({&id, 1}, [&](ValueId, const Elements& elements) { out = elements; });
    return out;
}

ValueId KeptRun::holder_of(ValueId id) const {
    const Graph& graph = taps().recovery().graph();
    while (id >= 0 && graph.value(id).producer >= 0) {
        const Node& node = graph.node(graph.value(id).producer);
        const bool takes_apart = node.op->locality == Locality::moves && node.outputs.size() > 1;
        if (!takes_apart && (is_copied(id) || !node.op->is_view)) break;
        id = node.inputs[0];
    }
    return id >= 0 && is_copied(id) ? id : -1;
}

KeptRun::Maker KeptRun::maker_of(ValueId id) const {
    const Graph& graph = program().graph;
    if (const ValueId holder = holder_of(id); holder >= 0) id = holder;
    // What a step computes inside is named below its output (decompose_unsupported).
    std::string path = taps().recovery().graph().value(id).path;
    while (graph.find(path) < 0 && path.rfind('.') != std::string::npos) path.resize(path.rfind('.'));
    ValueId output = graph.find(path);
    if (output < 0) return {};
    while (graph.value(output).producer >= 0 && graph.node(graph.value(output).producer).op->is_view)
        output = graph.node(graph.value(output).producer).inputs[0];
    return {graph.value(output).producer, output};
}

bool KeptRun::has_kernel(NodeId node) const {
    const auto& steps = program().steps;
    const auto step = std::find_if(steps.begin(), steps.end(), [&](const Step& one) { return one.node == node; });
    return step != steps.end() && step->run != nullptr && !step->is_reference;
}

Elements KeptRun::by_reference(ValueId id) const {
    const Graph& graph = taps().recovery().graph();
    const Node& node = graph.node(graph.value(id).producer);
    std::map<ValueId, Elements> kept;
    for (const ValueId input : present(node.inputs)) kept[input] = {};
    std::vector<ValueId> ids;
    for (const auto& [input, none] : kept) ids.push_back(input);
    taps().compute(ids, [&](ValueId input, const Elements& elements) { kept[input] = elements; });
    std::vector<const Elements*> inputs;
    for (const ValueId input : node.inputs) inputs.push_back(input == kAbsent ? nullptr : &kept.at(input));
    std::vector<Elements> outputs = interpret(graph, node, inputs, symbols(), model_.targets().back().backend);
    const auto which = std::find(node.outputs.begin(), node.outputs.end(), id) - node.outputs.begin();
    return std::move(outputs[static_cast<std::size_t>(which)]);
}

const KeptRun::Stages& KeptRun::stages() const {
    std::unique_ptr<Stages>& out = stages_[static_cast<std::size_t>(phase_)];
    if (out != nullptr) return *out;
    out = std::make_unique<Stages>();
    PipelineOptions options = model_.options().passes;
    options.after = [&](const Pass* pass, const Graph& now, bool changed) {
        if (pass == nullptr || changed) out->graphs.emplace_back(pass == nullptr ? "" : pass->name, now);
    };
    Graph graph = taps().source();
    out->journal = optimize(graph, model_.targets(), options).journal;
    return *out;
}

const Elements& KeptRun::checkpoint_tensor(const std::string& name) const {
    Elements& out = tensors_[name];
    if (out.empty()) out = model_.checkpoint().bytes(name);
    return out;
}

std::vector<std::string> KeptRun::passes_at(const Maker& maker, const std::string& path) const {
    const Node& node = program().graph.node(maker.node);
    std::set<std::string> paths(node.realizes.begin(), node.realizes.end());
    paths.insert(path);
    for (const ValueId output : node.outputs) paths.insert(program().graph.value(output).path);
    std::vector<std::string> out;
    for (const Finding& finding : stages().journal.findings)
        if (finding.fired && paths.contains(finding.path) &&
            std::find(out.begin(), out.end(), finding.pass) == out.end())
            out.emplace_back(finding.pass);
    return out;
}

std::vector<KeptRun::Change> KeptRun::changes_of(const std::string& path) const {
    const Graph& recovered = taps().recovery().graph();
    const Graph& final_graph = program().graph;
    const ValueId id = find(path);
    const Maker maker = maker_of(id);
    if (maker.node < 0) return {};
    std::map<std::string, Elements> kept;
    const Known known = [&](const ValueInfo& value) -> const Elements* {
        if (value.kind == ValueKind::weight) return &checkpoint_tensor(value.source);
        const ValueId there = recovered.find(value.path), in_program = final_graph.find(value.path);
        const bool is_leaf = value.producer < 0;
        // A step in front of the one in question has it, as the source graph does. What is made of weights, and what
        // the program alone has, is computed here.
        const bool is_before = taps().source().find(value.path) >= 0 && in_program >= 0 &&
                               final_graph.value(in_program).kind == ValueKind::result &&
                               final_graph.value(in_program).producer < maker.node &&
                               final_graph.value(in_program).type == value.type;
        if (there < 0 || (!is_leaf && !is_before)) return nullptr;
        const auto [at, is_new] = kept.try_emplace(value.path);
        if (is_new) at->second = elements(there);
        return &at->second;
    };
    // What the step computes may be all that is left of the value: both are followed, each from where it first is.
    const std::string last = final_graph.value(maker.output).path;
    std::map<std::string, std::pair<TensorType, Elements>> before;
    std::vector<Change> out;
    for (const auto& [pass, graph] : stages().graphs) {
        for (const std::string& name : {last, path}) {
            const ValueId wanted = graph.find(name);
            if (wanted < 0 || graph.value(wanted).producer < 0) continue;
            const TensorType& type = graph.value(wanted).type;
            Elements now = evaluate(graph, wanted, symbols(), model_.targets().back().backend, known);
            const auto [at, is_new] = before.try_emplace(name, type, now);
            if (is_new || at->second.first != type) continue;
            Tensor a = tensor_of(type, symbols()), b = a;
            a.data = at->second.second.data();
            b.data = now.data();
            if (!parts(difference(a, b), a.dtype, b.dtype)) continue;
            if (out.empty() || out.back().pass != pass)
                out.push_back({pass, line_of(graph, graph.node(graph.value(wanted).producer))});
            at->second.second = std::move(now);
        }
    }
    return out;
}

std::optional<std::string> KeptRun::wrong_preparation(NodeId node) const {
    const Graph& load = program().load;
    for (const ValueId id : present(program().graph.node(node).inputs)) {
        const ValueInfo& value = program().graph.value(id);
        const ValueId made = value.kind == ValueKind::weight && value.prepared ? load.find(value.path) : -1;
        if (made < 0) continue;
        const Known known = [&](const ValueInfo& leaf) {
            return leaf.kind == ValueKind::weight ? &checkpoint_tensor(leaf.source) : nullptr;
        };
        Elements expected = evaluate(load, made, {}, model_.targets().back().backend, known), found = of_program(id);
        Tensor a = tensor_of(value.type, {}), b = a;
        a.data = expected.data();
        b.data = found.data();
        if (parts(difference(a, b), a.dtype, b.dtype)) return value.path;
    }
    return {};
}

}  // namespace vitro
