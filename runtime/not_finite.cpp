#include "runtime/not_finite.h"

#include "graph/dump/subject.h"
#include "graph/interpret.h"
#include "runtime/errors.h"
#include "runtime/model_taps.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>

namespace vitro {
namespace {

bool is_numbers(DType dtype) { return dtype != DType::i32; }

std::int64_t not_finite(const Statistics& s) { return s.nan + s.plus_infinity + s.minus_infinity; }

/// Whether a value turned non-finite here. -Inf is no fault where an input has it already, nor where no input is a
/// number: a mask is made of positions.
bool turned(const Statistics& s, bool has_numbers, bool inherits_minus) {
    return s.is_broken() || (s.minus_infinity > 0 && has_numbers && !inherits_minus);
}

/// Copies of all that the steps of a phase compute, but for states, for as long as it lives.
class Watch {
public:
    Watch(LanguageModel& model, Phase phase) : executor_(model.executor(phase)), program_(executor_.program()) {
        std::vector<ValueId> watched;
        for (const Node& node : program_.graph.nodes)
            for (const ValueId id : node.outputs)
                if (is_watched(node, id)) watched.push_back(id);
        executor_.tap(watched);
    }
    ~Watch() { executor_.tap({}); }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    /// The first value of the latest step that turned non-finite, by its path; empty when there is none.
    std::string first() const {
        const Graph& graph = program_.graph;
        std::vector<bool> has_minus(graph.values.size());
        for (const Node& node : graph.nodes) {
            bool has_numbers = false, inherits_minus = false;
            for (const ValueId id : present(node.inputs)) {
                has_numbers |= is_numbers(graph.value(id).type.dtype);
                inherits_minus |= has_minus[static_cast<std::size_t>(id)];
            }
            for (const ValueId id : node.outputs) {
                has_minus[static_cast<std::size_t>(id)] = inherits_minus && node.op->is_view;
                if (!is_watched(node, id)) continue;
                const Statistics s = statistics(executor_.tapped(id)).front();
                if (turned(s, has_numbers, inherits_minus)) return graph.value(id).path;
                has_minus[static_cast<std::size_t>(id)] = s.minus_infinity > 0;
            }
        }
        return {};
    }

private:
    bool is_watched(const Node& node, ValueId id) const {
        const Region region = program_.plan.place(id).region;
        return !node.op->is_view && region != Region::states && region != Region::weights &&
               is_numbers(program_.graph.value(id).type.dtype);
    }

    Executor& executor_;
    const Program& program_;
};

/// One value of a run, and all that its step of the program computes on the way to it.
class CloserLook {
public:
    CloserLook(LanguageModel& model, Phase phase, const std::function<void()>& run_again)
        : model_(model), phase_(phase), run_again_(run_again), taps_(model, phase), graph_(taps_.recovery().graph()) {}

    NotFinite at(std::string path) {
        while (true) {
            gather(graph_.find(path));
            const ValueId state = broken_state();
            if (state < 0) break;
            path = graph_.value(state).path;  // another output of a step has put it into a cache before
        }
        return describe(first_turned());
    }

private:
    /// The value, what is computed again for it, and what all of these are computed from.
    void gather(ValueId last) {
        const auto is_copied = [&](ValueId id) {
            return taps_.recovery().values().at(graph_.value(id).path).is_copied;
        };
        std::vector<bool> seen(graph_.values.size());
        std::vector<ValueId> open{last};
        values_.clear();
        while (!open.empty()) {
            const ValueId id = open.back();
            open.pop_back();
            if (seen[static_cast<std::size_t>(id)]) continue;
            seen[static_cast<std::size_t>(id)] = true;
            values_.push_back(id);
            const NodeId producer = graph_.value(id).producer;
            if (producer < 0 || (id != last && is_copied(id))) continue;
            for (const ValueId input : present(graph_.node(producer).inputs)) open.push_back(input);
        }
        std::sort(values_.begin(), values_.end(), [&](ValueId a, ValueId b) {
            const NodeId first = graph_.value(a).producer, second = graph_.value(b).producer;
            return first != second ? first < second : a < b;
        });
        last_ = last;
        taps_.tap_values(values_);
        run_again_();
        statistics_.clear();
        where_.clear();
        taps_.compute(values_, [&](ValueId id, const Elements& elements) {
            const Tensor tensor = taps_.tensor_of(id, elements);
            statistics_[id] = is_numbers(tensor.dtype) ? statistics(tensor).front() : Statistics{};
            if (not_finite(statistics_[id]) > 0) where_[id] = position_text(tensor, first_not_finite(tensor));
        });
    }

    /// A cache that a step of this run has written, and that is not finite.
    ValueId broken_state() const {
        for (const ValueId id : values_) {
            const ValueId there = model_.program(phase_).graph.find(graph_.value(id).path);
            if (id == last_ || there < 0 || graph_.value(id).producer < 0) continue;
            const bool is_state = model_.program(phase_).plan.place(there).region == Region::states;
            if (is_state && not_finite(statistics_.at(id)) > 0) return id;
        }
        return -1;
    }

    ValueId first_turned() const {
        for (const ValueId id : values_) {
            const NodeId producer = graph_.value(id).producer;
            if (producer < 0 || !statistics_.contains(id)) continue;
            bool has_numbers = false, inherits_minus = false, is_known = true;
            for (const ValueId input : present(graph_.node(producer).inputs)) {
                has_numbers |= is_numbers(graph_.value(input).type.dtype);
                is_known &= statistics_.contains(input);
                inherits_minus |= is_known && graph_.value(input).kind == ValueKind::result &&
                                  statistics_.at(input).minus_infinity > 0;
            }
            if (is_known && turned(statistics_.at(id), has_numbers, inherits_minus)) return id;
        }
        return last_;
    }

    NotFinite describe(ValueId id) const {
        const ValueInfo& value = graph_.value(id);
        const Node& node = graph_.node(value.producer);
        const Program& program = model_.program(phase_);
        NotFinite out{.path = named(id),
                      .type = value.type,
                      .is_copied = taps_.recovery().values().at(value.path).is_copied,
                      .phase = phase_,
                      .op = std::string(node.op->name),
                      .statistics = statistics_.at(id),
                      .where = where_.contains(id) ? where_.at(id) : std::string{}};
        const ValueId in_program = program.graph.find(graph_.value(last_).path);
        out.device = program.plan.devices[program.plan.place(in_program).device].name;
        if (!node.source.file.empty()) out.source = fmt::format("{}:{}", node.source.file, node.source.line);
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            const ValueId input = node.inputs[i];
            if (input == kAbsent) continue;
            const ValueInfo& info = graph_.value(input);
            const bool is_known = statistics_.contains(input);
            out.inputs.push_back({std::string(input_def(*node.op, i).name), named(input), std::string(name(info.kind)),
                                  info.type, is_known ? statistics_.at(input) : Statistics{}});
        }
        explain(node, id, out);
        return out;
    }

    /// The path that the model's code gave the value, where it gave one.
    std::string named(ValueId id) const {
        const std::string& own = graph_.value(id).path;
        if (taps_.source().find(own) >= 0) return own;
        for (const auto& [path, found] : taps_.recovery().values())
            if (found.id == id && taps_.source().find(path) >= 0) return path;
        return own;
    }

    void explain(const Node& node, ValueId id, NotFinite& out) const {
        for (const NotFinite::Input& input : out.inputs) {
            const bool is_computed = input.kind == name(ValueKind::result);  // then -Inf may be a mask's
            if (is_computed ? !input.statistics.is_broken() : not_finite(input.statistics) == 0) continue;
            out.is_from_cache = input.kind == name(ValueKind::state);
            out.cause = fmt::format("its input {}, the {} {}, holds {}", input.name, input.kind, input.path,
                                    counts(input.statistics));
            return;
        }
        const double reference = out.is_copied ? reference_at(node, id) : std::numeric_limits<double>::quiet_NaN();
        double most = 0;
        std::string largest;
        for (const NotFinite::Input& input : out.inputs) {
            const double magnitude = std::max(std::abs(input.statistics.min), std::abs(input.statistics.max));
            if (magnitude > most) most = magnitude, largest = input.path;
        }
        if (std::isfinite(reference))
            out.cause = fmt::format(
                "its inputs are finite, and the reference of {} gives {:.6g} there: the kernel on {} is wrong", out.op,
                reference, out.device);
        else if (out.statistics.nan == 0)
            out.cause = fmt::format("its inputs are finite, up to {:.6g} in {}, but the result is beyond what {} holds",
                                    most, largest, name(out.type.dtype));
        else
            out.cause = fmt::format("its inputs are finite, up to {:.6g} in {}, but {} makes no number of them", most,
                                    largest, out.op);
    }

    /// What the op's reference makes of the inputs that the run had, where the value is not finite.
    double reference_at(const Node& node, ValueId id) const {
        std::vector<ValueId> ids;
        for (const ValueId input : present(node.inputs)) ids.push_back(input);
        std::map<ValueId, Elements> kept;
        std::int64_t at = -1;
        std::vector<ValueId> wanted = ids;
        wanted.push_back(id);
        taps_.compute(wanted, [&](ValueId one, const Elements& elements) {
            if (one == id) at = first_not_finite(taps_.tensor_of(one, elements));
            if (one != id) kept[one] = elements;
        });
        std::vector<const Elements*> inputs;
        for (const ValueId input : node.inputs) inputs.push_back(input == kAbsent ? nullptr : &kept.at(input));
        const auto outputs =
            interpret(graph_, node, inputs, model_.executor(phase_).symbols(), model_.targets().back().backend);
        const auto which = std::find(node.outputs.begin(), node.outputs.end(), id) - node.outputs.begin();
        return element(graph_.value(id).type.dtype, outputs[static_cast<std::size_t>(which)].data(), at);
    }

    static std::string counts(const Statistics& s) {
        std::string out;
        const auto add = [&](std::int64_t count, std::string_view what) {
            if (count > 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, what);
        };
        add(s.nan, "NaN");
        add(s.plus_infinity, "+Inf");
        add(s.minus_infinity, "-Inf");
        return out;
    }

    LanguageModel& model_;
    Phase phase_;
    const std::function<void()>& run_again_;
    ModelTaps taps_;
    const Graph& graph_;
    ValueId last_ = -1;
    std::vector<ValueId> values_;  // in the order in which they are computed
    std::map<ValueId, Statistics> statistics_;
    std::map<ValueId, std::string> where_;
};

}  // namespace

WatchedStep watched_step(LanguageModel& model, const StepPart& part) {
    const auto tokens = std::ssize(part.tokens), most = model.options().max_sequences;
    const auto rows = part.want == Want::nothing ? 0 : part.all_rows ? tokens : 1;
    const Phase phase = tokens <= most && rows <= most ? Phase::decode : Phase::prefill;
    const std::int64_t length = std::ssize(model.tokens(part.sequence));
    WatchedStep out;
    const auto make = [&] {
        model.truncate(part.sequence, length);
        try {
            out.result = model.step({&part, 1}).front();
        } catch (const NotFiniteError&) {  // it has run: that is enough
        }
    };
    std::string path;
    {
        const Watch watch(model, phase);
        make();
        path = watch.first();
    }
    if (path.empty()) return out;
    out.found = CloserLook(model, phase, make).at(path);
    out.found->first_position = length;
    out.result = {};
    model.truncate(part.sequence, length);
    return out;
}

std::optional<NotFinite> why_not_finite(LanguageModel& model, const StepPart& part) {
    std::optional<NotFinite> found = watched_step(model, part).found;
    if (!found || !found->is_from_cache) return found;
    const auto had = model.tokens(part.sequence);
    const std::vector<std::int32_t> tokens(had.begin(), had.end());
    model.truncate(part.sequence, 0);
    const auto chunk = static_cast<std::size_t>(model.options().chunk);
    /// Appends what is missing of `tokens`, as long as `make_step` does it.
    const auto feed = [&](const auto& make_step) {
        for (std::size_t done = 0; done < tokens.size(); done = model.tokens(part.sequence).size()) {
            const StepPart piece{.sequence = part.sequence,
                                 .tokens = std::span(tokens).subspan(done, std::min(chunk, tokens.size() - done)),
                                 .want = Want::nothing,
                                 .length = std::max(part.length, std::ssize(tokens) + std::ssize(part.tokens))};
            if (!make_step(piece)) break;
        }
    };
    feed([&](const StepPart& piece) {
        std::optional<NotFinite> earlier = watched_step(model, piece).found;
        if (earlier) found = std::move(earlier);
        return found->is_from_cache;
    });
    model.truncate(part.sequence, 0);
    feed([&](const StepPart& piece) {
        model.step({&piece, 1});
        return true;
    });
    return found;
}

std::string text_of(const NotFinite& found) {
    return fmt::format(
        "{} ({} on {}{}{}) is the first value that is not finite, at {} of {} in the {} step from position {}: {}",
        found.path, found.op, found.device, found.source.empty() ? "" : ", ", found.source, found.where,
        to_string(found.type), name(found.phase), found.first_position, found.cause);
}

}  // namespace vitro
