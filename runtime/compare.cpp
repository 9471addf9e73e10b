#include "runtime/compare.h"

#include "base/blocks.h"
#include "graph/replay.h"
#include "graph/statistics.h"
#include "graph/text.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace vitro {
namespace {

/// Values of a source graph in its order, with where they stand in it.
std::vector<std::string> order_of(const Graph& source) {
    std::vector<std::string> out;
    for (const Node& node : source.nodes)
        for (const ValueId id : node.outputs) out.push_back(source.value(id).path);
    return out;
}

/// The coarser type of a value and of a model's activations: what has been rounded to the one stays so in the other.
DType coarser(DType type, DType activation) {
    return is_stored_float(type) && rounding(activation, activation) > rounding(type, type) ? activation : type;
}

/// `type` as side a's model has it; `dtype_a` and `dtype_b` of what rounds the values on their way.
ComparedValue compared(const std::string& path, Phase phase, const TensorType& type, DType dtype_a, DType dtype_b,
                       const Tensor& a, const Tensor& b) {
    ComparedValue out{
        .path = path, .phase = phase, .type = type, .a = dtype_a, .b = dtype_b, .difference = difference(a, b)};
    if (out.difference.where >= 0) out.where = position_text(a, out.difference.where);
    out.parts = parts(out.difference, out.a, out.b);
    return out;
}

/// The checkpoint's tensors that a value is computed from, without any value of the step between.
std::set<std::string> weights_of(const Graph& graph, ValueId id) {
    std::set<std::string> out;
    const NodeId producer = graph.value(id).producer;
    if (producer < 0) return out;
    for (const ValueId input : present(graph.node(producer).inputs)) {
        const ValueInfo& value = graph.value(input);
        if (value.kind == ValueKind::weight) out.insert(value.source);
        // What weights alone make, such as a dequantized one.
        if (value.producer >= 0 &&
            value.type.shape.end() ==
                std::find_if(value.type.shape.begin(), value.type.shape.end(), [](Dim dim) { return dim.is_symbol(); }))
            out.merge(weights_of(graph, input));
    }
    return out;
}

/// What is the matter with a weight of the other side: transposed, moved by a constant, or just other numbers.
std::string how_it_differs(const Tensor& a, const Tensor& b, const Difference& found) {
    std::vector<float> memory_a, memory_b;
    const Tensor x = without_blocks(a, memory_a), y = without_blocks(b, memory_b);
    const auto at = [](const Tensor& tensor, std::int64_t i) {
        return element(tensor.dtype, static_cast<const std::byte*>(tensor.data), i);
    };
    const std::int64_t n = a.elements();
    if (a.rank == 2 && a.dim(0) == a.dim(1)) {
        const std::int64_t size = a.dim(0);
        bool is_transposed = true;
        for (std::int64_t i = 0; i < n && is_transposed; ++i)
            is_transposed = at(x, i) == at(y, i % size * size + i / size);
        if (is_transposed) return "it is transposed on side b";
    }
    const double shift = at(y, 0) - at(x, 0);
    bool is_shifted = shift != 0;
    for (std::int64_t i = 0; i < n && is_shifted; ++i)
        is_shifted = std::abs(at(y, i) - at(x, i) - shift) <= 0.01 * std::abs(shift);
    if (is_shifted) return fmt::format("on side b all of it is {:.6g} higher", shift);
    return fmt::format("nmse {:.3g}, furthest apart at {}: {:.6g} and {:.6g}", found.nmse,
                       position_text(a, found.where), found.a, found.b);
}

/// Asks one side about a value that parts.
class Witness {
public:
    Witness(const KeptRun& run, const std::string& path)
        : run_(run), id_(run.find(path)), path_(path), maker_(run.maker_of(id_)) {}

    const KeptRun& run() const { return run_; }
    const KeptRun::Maker& maker() const { return maker_; }
    const Graph& source() const { return run_.taps().source(); }
    const Node& node() const { return source().node(source().value(source().find(path_)).producer); }

    /// What is wrong with the kernel of the step that made the value, or of one in front of it that the program alone
    /// has, such as the rounding of activations: then that is the step that is told of.
    std::optional<std::string> kernel_fault() {
        if (maker_.node < 0) return {};
        if (const ValueId holder = run_.holder_of(id_); holder >= 0)
            if (auto fault = fault_of(holder, maker_)) return fault;
        const Graph& graph = run_.program().graph;
        std::vector<NodeId> open{maker_.node};
        while (!open.empty()) {
            const Node& reader = graph.node(open.back());
            open.pop_back();
            for (const ValueId input : present(reader.inputs)) {
                const ValueInfo& value = graph.value(input);
                if (value.producer < 0 || source().find(value.path) >= 0) continue;
                const KeptRun::Maker maker{value.producer, input};
                if (auto fault = fault_of(run_.taps().recovery().graph().find(value.path), maker)) {
                    maker_ = maker;
                    return fault;
                }
                open.push_back(value.producer);
            }
        }
        return {};
    }

    void tell(Parting& out) const {
        const Graph& graph = run_.program().graph;
        const Node& own = node();
        out.op = own.op->name;
        if (!own.source.file.empty()) out.source = fmt::format("{}:{}", own.source.file, own.source.line);
        if (maker_.node < 0) return;
        out.step = graph.value(maker_.output).path;
        out.step_op = step_op();
        out.device = device();
        out.has_kernel = run_.has_kernel(maker_.node);
        out.passes = run_.passes_at(maker_, path_);
    }

    Replay replay() const {
        Replay out;
        if (maker_.node < 0) {
            out.refused = "no step of the program computes it";
            return out;
        }
        const Program& program = run_.program();
        out.graph = replay_graph(program, maker_.node);
        out.device = device();
        for (const ValueId id : replay_inputs(program, maker_.node)) {
            const ValueInfo& value = program.graph.value(id);
            out.inputs.push_back({value.path, tensor_of(value.type, run_.symbols()), run_.of_program(id)});
        }
        return out;
    }

private:
    /// `id`: a copied value of the recovery, which that step has made.
    std::optional<std::string> fault_of(ValueId id, const KeptRun::Maker& maker) const {
        const Graph& graph = run_.taps().recovery().graph();
        if (id < 0 || graph.value(id).producer < 0 || !run_.has_kernel(maker.node)) return {};
        const Elements expected = run_.by_reference(id), found = run_.elements(id);
        const Tensor a = run_.taps().tensor_of(id, expected), b = run_.taps().tensor_of(id, found);
        const Difference apart = difference(a, b);
        // How activations are rounded is defined to the bit (base/rounded.h).
        if (is_rounded(a.dtype) ? apart.largest == 0 : !parts(apart, a.dtype, b.dtype)) return {};
        return fmt::format(
            "the kernel of {} on {} is wrong: of the same inputs its reference makes {:.6g} at {}{}, the kernel {:.6g}",
            run_.program().graph.node(maker.node).op->name, device_of(maker), apart.a, position_text(a, apart.where),
            graph.value(id).path == path_ ? "" : fmt::format(" of {}", graph.value(id).path), apart.b);
    }

    std::string step_op() const { return std::string(run_.program().graph.node(maker_.node).op->name); }
    std::string device() const { return device_of(maker_); }
    std::string device_of(const KeptRun::Maker& maker) const {
        const Plan& plan = run_.program().plan;
        return plan.devices[plan.place(maker.output).device].name;
    }

    const KeptRun& run_;
    ValueId id_;
    const std::string& path_;
    KeptRun::Maker maker_;
};

/// How the models' own equations differ at a value; empty when they do not. `with_types`: types count, too.
std::string other_definition(const Witness& a, const Witness& b, bool with_types) {
    const Node &x = a.node(), &y = b.node();
    const std::string line_a = line_of(a.source(), x), line_b = line_of(b.source(), y);
    const auto inputs = [](const Graph& graph, const Node& node) {
        std::vector<std::string> paths;
        for (const ValueId id : present(node.inputs)) paths.push_back(graph.value(id).path);
        return paths;
    };
    const bool is_same = x.op == y.op && x.attributes == y.attributes && inputs(a.source(), x) == inputs(b.source(), y);
    if (is_same && (!with_types || line_a == line_b)) return {};
    return fmt::format("the models say different things: a has {}; b has {}", line_a, line_b);
}

std::string other_weight(const Witness& a, const Witness& b, const std::string& path) {
    for (const std::string& name : weights_of(b.source(), b.source().find(path))) {
        const TensorView *x = a.run().model().checkpoint().find(name), *y = b.run().model().checkpoint().find(name);
        if (x == nullptr || y == nullptr || x->shape != y->shape) continue;
        Elements x_copy(x->data, x->data + x->bytes), y_copy(y->data, y->data + y->bytes);  // aligned
        const Tensor one(x->dtype, x->shape, x_copy.data()), other(y->dtype, y->shape, y_copy.data());
        const Difference found = difference(one, other);
        if (parts(found, one.dtype, other.dtype))
            return fmt::format("the weight {} is not the same: {}", name, how_it_differs(one, other, found));
    }
    return {};
}

/// What two models must have in common for one's values to be the other's.
std::string sizes_of(const ModelConfig& config) {
    return fmt::format("{} with {} layers of width {} and {} tokens", config.architecture, config.n_layers,
                       config.hidden_size, config.vocab_size);
}

/// Fills in side, fault and cause: the first of the questions that is answered with yes.
void find_cause(Parting& out, Witness* a, Witness& b) {
    const auto found = [&](char side, Fault fault, std::string cause) {
        out.side = side;
        out.fault = fault;
        out.cause = std::move(cause);
    };
    const auto each = [&](auto&& ask) {
        for (const auto& [side, witness] : {std::pair{'b', &b}, std::pair{'a', a}})
            if (witness != nullptr && ask(side, *witness)) return true;
        return false;
    };
    if (each([&](char side, Witness& witness) {
            const auto fault = witness.kernel_fault();
            if (fault) found(side, Fault::kernel, *fault);
            return fault.has_value();
        }))
        return;
    if (a != nullptr) {
        if (std::string text = other_definition(*a, b, false); !text.empty())
            return found('b', Fault::definition, std::move(text));
        if (std::string text = other_weight(*a, b, out.value.path); !text.empty())
            return found('b', Fault::weight, std::move(text));
    }
    if (each([&](char side, const Witness& witness) {
            if (witness.maker().node < 0) return false;
            const auto weight = witness.run().wrong_preparation(witness.maker().node);
            if (weight)
                found(side, Fault::preparation,
                      fmt::format("the weight {} is not what the load program's graph says", *weight));
            return weight.has_value();
        }))
        return;
    // A pass that changes the value on both sides in the same way is not what they differ by.
    const std::vector<KeptRun::Change> changes_b = b.run().changes_of(out.value.path),
                                       changes_a = a == nullptr ? std::vector<KeptRun::Change>{}
                                                                : a->run().changes_of(out.value.path);
    const auto take_other = [&](char side, const std::vector<KeptRun::Change>& own, const auto& others) {
        for (const KeptRun::Change& change : own) {
            if (std::find(others.begin(), others.end(), change) != others.end()) continue;
            found(side, Fault::pass,
                  fmt::format("the pass {} changes the value: from then on it is {}", change.pass, change.line));
            return true;
        }
        return false;
    };
    if (take_other('b', changes_b, changes_a) || take_other('a', changes_a, changes_b)) return;
    if (a != nullptr)
        if (std::string text = other_definition(*a, b, true); !text.empty())
            return found('b', Fault::definition, std::move(text));
    if (a == nullptr)
        return found('b', Fault::rounding,
                     "the program computes what its graph says: the definition, the weights or the rounding differ");
    std::string text =
        "both sides compute what their graphs say, of the same weights: what is left is rounding, of this step and of "
        "those before it";
    if (const auto to = a->run().rounds_to(); to && to == b.run().rounds_to())
        text += fmt::format(
            "; both round activations to {}, where a last bit can become a whole step (not so with exact=yes)",
            is_rounded(*to) ? "8 bits" : name(*to));
    found('b', Fault::rounding, std::move(text));
}

}  // namespace

std::string_view name(Fault fault) {
    static constexpr std::string_view kNames[] = {"kernel", "definition", "weight", "pass", "preparation", "rounding"};
    return kNames[static_cast<std::size_t>(fault)];
}

Comparison::Comparison(LanguageModel& a, LanguageModel& b) : a_(a), b_(b) {
    const std::string sizes_a = sizes_of(a.config()), sizes_b = sizes_of(b.config());
    if (sizes_a != sizes_b)
        fail("expected two models of one architecture and the same sizes, found {} and {}", sizes_a, sizes_b);
}

std::span<const float> Comparison::step(std::span<const std::int32_t> tokens) {
    const std::int64_t first = std::ssize(a_.model().tokens(0));
    const StepPart part{
        .tokens = tokens, .want = usual_result(a_.model().config()), .all_rows = a_.model().options().all_logits};
    const std::span<const float> logits = a_.step(part);
    const bool go_on = !b_.step(part).empty() && !logits.empty();

    // The values of side a in memory; then those of side b as they come.
    std::map<ValueId, std::vector<std::string>> paths_a, paths_b;
    const std::vector<std::string> order = order_of(a_.taps().source());
    std::vector<ValueId> ids_a, ids_b;
    for (const std::string& path : order) {
        const ValueId a = a_.find(path), b = b_.find(path);
        if (a < 0 || b < 0) continue;
        const Graph &graph_a = a_.taps().recovery().graph(), &graph_b = b_.taps().recovery().graph();
        if (graph_a.value(a).type.shape != graph_b.value(b).type.shape) continue;
        if (!paths_a.contains(a)) ids_a.push_back(a);
        if (!paths_b.contains(b)) ids_b.push_back(b);
        paths_a[a].push_back(path);
        paths_b[b].push_back(path);
    }
    std::map<std::string, std::pair<ValueId, const Elements*>> of_a;
    std::map<ValueId, Elements> kept;
    a_.taps().compute(ids_a, [&](ValueId id, const Elements& elements) {
        const Elements& copy = kept[id] = elements;
        for (const std::string& path : paths_a[id]) of_a[path] = {id, &copy};
    });
    // Where one side alone rounds activations, that is a difference, and is told.
    const std::optional<DType> both = a_.rounds_to() == b_.rounds_to() ? a_.rounds_to() : std::nullopt;
    std::map<std::string, ComparedValue> found;
    b_.taps().compute(ids_b, [&](ValueId id, const Elements& elements) {
        for (const std::string& path : paths_b[id]) {
            const auto& [other, expected] = of_a.at(path);
            const Graph &source_a = a_.taps().source(), &source_b = b_.taps().source();
            const TensorType& type = source_a.value(source_a.find(path)).type;
            const TensorType& type_b = source_b.value(source_b.find(path)).type;
            ComparedValue value =
                compared(path, a_.phase(), type, coarser(type.dtype, both.value_or(a_.model().options().activation)),
                         coarser(type_b.dtype, both.value_or(b_.model().options().activation)),
                         a_.taps().tensor_of(other, *expected), b_.taps().tensor_of(id, elements));
            value.first_position = first;
            value.is_copied_a = a_.is_copied(other);
            value.is_copied_b = b_.is_copied(id);
            found[path] = std::move(value);
        }
    });
    for (const std::string& path : order) {
        const auto at = found.find(path);
        if (at == found.end()) continue;
        values_.push_back(std::move(at->second));
        if (values_.back().parts && !first_) first_ = explain(values_.back());
    }
    return go_on ? logits : std::span<const float>{};
}

Parting Comparison::explain(const ComparedValue& value) const {
    Parting out{.value = value};
    Witness a(a_, out.value.path), b(b_, out.value.path);
    find_cause(out, &a, b);
    const Witness& guilty = out.side == 'a' ? a : b;
    guilty.tell(out);
    out.replay = guilty.replay();
    return out;
}

DumpComparison compare_with_dump(LanguageModel& model, const SafetensorsFile& dump) {
    const TensorView* given = dump.find("tokens");
    if (given == nullptr || given->dtype != DType::i32 || given->shape.size() != 1)
        fail("{}: expected a tensor \"tokens\" of I32 [T], as tools/python/dump_hf.py writes it", dump.name());
    std::vector<std::int32_t> tokens(given->bytes / sizeof(std::int32_t));
    std::copy_n(given->data, given->bytes, reinterpret_cast<std::byte*>(tokens.data()));
    KeptRun run(model);
    run.step({.tokens = tokens, .want = usual_result(model.config()), .all_rows = model.options().all_logits});

    const Graph& source = run.taps().source();
    const std::vector<std::string> order = order_of(source);
    /// What the module of that name computes last, or the value of that name: a module's bias and scale are values of
    /// their own below it.
    const auto path_of = [&](const std::string& name) {
        std::string last;
        for (const std::string& path : order)
            if ((path == name || path.starts_with(name + ".")) && run.find(path) >= 0) last = path;
        return last;
    };
    DumpComparison out;
    std::map<std::string, ComparedValue> found;
    for (const std::string& name : dump.names()) {
        if (name == "tokens") continue;
        const std::string path = path_of(name);
        if (path.empty()) {
            out.unknown.push_back(name);
            continue;
        }
        const TensorView& view = *dump.find(name);
        const ValueId id = run.find(path);
        const Elements elements = run.elements(id);
        const Tensor b = run.taps().tensor_of(id, elements);
        Tensor a = b;
        Elements aligned(view.data, view.data + view.bytes);
        a.dtype = view.dtype;
        a.data = aligned.data();
        if (const std::span<const std::int64_t> wanted(b.sizes.data(), static_cast<std::size_t>(b.rank));
            !is_float(view.dtype) || !std::ranges::equal(view.shape, wanted))
            fail("{}: tensor \"{}\": expected floating-point numbers of the shape of {}, [{}], found {} [{}]",
                 dump.name(), name, path, fmt::join(wanted, ", "), vitro::name(view.dtype),
                 fmt::join(view.shape, ", "));
        const TensorType& type = source.value(source.find(path)).type;
        TensorType as_given = type;
        as_given.dtype = view.dtype;
        ComparedValue value =
            compared(path, run.phase(), as_given, view.dtype, coarser(type.dtype, model.options().activation), a, b);
        value.is_copied_b = run.is_copied(id);
        found.emplace(path, std::move(value));
    }
    for (const std::string& path : order) {
        const auto at = found.find(path);
        if (at == found.end()) continue;
        out.values.push_back(at->second);
        if (!at->second.parts || out.first) continue;
        out.first = Parting{.value = at->second};
        Witness b(run, out.first->value.path);
        find_cause(*out.first, nullptr, b);
        b.tell(*out.first);
        out.first->replay = b.replay();
    }
    return out;
}

}  // namespace vitro
