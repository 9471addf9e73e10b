// Looking changes nothing, and what is seen is what ran.
#include "graph/recover.h"
#include "graph/text.h"

#include "backends/cuda/devices.h"
#include "graph/difference.h"
#include "graph/elements.h"
#include "ops/cuda_kernels.h"
#include "passes/passes.h"
#include "tests/runtime/goldens.h"

#include <doctest/doctest.h>

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>

namespace vitro::test {
namespace {

/// A golden with its own devices, and what a look into it needs.
struct Glass {
    std::unique_ptr<Backend> gpu;
    CpuBackend host{2};
    std::vector<Target> targets;
    Checkpoint checkpoint;
    LanguageModelOptions options;
    LanguageModel model;

    Glass(const std::string& name, bool on_gpu, LanguageModelOptions wanted)
        : gpu(on_gpu ? cuda_emulated::make_backend() : nullptr),
          targets(targets_of(gpu.get(), host)),
          checkpoint(Checkpoint::open(source_path("tests/golden/" + name))),
          options(completed(wanted, config_of(name))),
          model(source_path("tests/golden/" + name), config_of(name), targets, wanted) {}

    static ModelConfig config_of(const std::string& name) {
        return read_model_config(source_path("tests/golden/" + name));
    }
    static std::vector<Target> targets_of(Backend* gpu, CpuBackend& host) {
        std::vector<Target> all;
        if (gpu != nullptr) all.push_back({*gpu, cuda_emulated::kernels()});
        all.push_back({host, cpu_kernels()});
        return all;
    }

    Graph source(Phase phase) const {
        const auto dtype = [this](std::string_view name) { return checkpoint.at(name).dtype; };
        return build_model(model.config(), build_options(options, phase, dtype));
    }
    Recovery recovery(Phase phase) {
        const Graph graph = source(phase);
        Graph optimized = graph;
        const PipelineReport report = optimize(optimized, targets, options.passes);
        return Recovery(model.program(phase), graph, report.journal, host);
    }

    /// Logits after these tokens.
    std::vector<float> feed(std::vector<std::int32_t> tokens) {
        const auto logits = append(model, {.tokens = tokens}).values;
        return {logits.begin(), logits.end()};
    }

    /// The elements of a tensor on any device.
    Elements elements(const Tensor& tensor, std::size_t device) {
        Elements out(static_cast<std::size_t>(tensor.bytes()));
        if (!out.empty()) targets[device].backend.download(out.data(), tensor.data, out.size());
        return out;
    }
    Recovery::Read reader(Phase phase, const SymbolValues& symbols) {
        return [this, phase, symbols](ValueId id) {
            Executor& executor = model.executor(phase);
            const Program& program = executor.program();
            if (program.plan.place(id).region == Region::weights)
                return elements(executor.tensor(id, symbols), program.plan.place(id).device);
            const Tensor copy = executor.tapped(id);
            Elements out(static_cast<std::size_t>(copy.bytes()));
            if (!out.empty()) std::memcpy(out.data(), copy.data, out.size());
            return out;
        };
    }
};

/// All values of the program but weights and constants.
std::vector<ValueId> tappable(const Program& program) {
    std::vector<ValueId> all;
    for (std::size_t i = 0; i < program.graph.values.size(); ++i)
        if (program.plan.values[i].region != Region::weights && program.graph.values[i].kind != ValueKind::constant)
            all.push_back(static_cast<ValueId>(i));
    return all;
}

const std::vector<std::int32_t> kPrompt{3, 17, 5, 60, 2, 33, 8};

SymbolValues sizes(std::int64_t tokens, std::int64_t cached) {
    SymbolValues symbols;
    symbols['T'] = tokens;
    symbols['R'] = symbols['S'] = 1;
    symbols['C'] = cached;
    return symbols;
}

}  // namespace

namespace {

LanguageModelOptions in_blocks() {
    LanguageModelOptions options;
    options.passes.enabled.emplace("weights_to_blocks");
    return options;
}

/// Steps, places and logits with every possible tap on, and clocks, are those without.
void check_untouched(const std::string& name, bool on_gpu, const LanguageModelOptions& options) {
    CAPTURE(name);
    CAPTURE(on_gpu);
    Glass plain(name, on_gpu, options), tapped(name, on_gpu, options);
    for (const Phase phase : {Phase::prefill, Phase::decode}) {
        tapped.model.executor(phase).tap(tappable(tapped.model.program(phase)));
        tapped.model.executor(phase).time_steps(true);
        const Program &a = plain.model.program(phase), &b = tapped.model.program(phase);
        CHECK(print(a.graph) == print(b.graph));
        CHECK(std::equal(
            a.steps.begin(), a.steps.end(), b.steps.begin(), b.steps.end(),
            [](const Step& x, const Step& y) { return x.node == y.node && x.run == y.run && x.device == y.device; }));
        for (std::size_t i = 0; i < a.graph.values.size(); ++i) {
            const Place &x = a.plan.place(static_cast<ValueId>(i)), &y = b.plan.place(static_cast<ValueId>(i));
            CHECK((x.device == y.device && x.region == y.region && x.offset == y.offset && x.bytes == y.bytes));
        }
    }
    CHECK(plain.feed(kPrompt) == tapped.feed(kPrompt));
    for (const std::int32_t token : {4, 9, 1, 7}) CHECK(plain.feed({token}) == tapped.feed({token}));
    const std::vector<Executor::StepTime> times = tapped.model.executor(Phase::decode).step_times();
    for (std::size_t i = 0; i < times.size(); ++i) {
        CHECK(times[i].end >= times[i].begin);
        const bool is_after = i == 0 || tapped.model.program(Phase::decode).steps[i].device !=
                                            tapped.model.program(Phase::decode).steps[i - 1].device;
        if (!is_after) CHECK(times[i].begin >= times[i - 1].end);
    }
    tapped.model.executor(Phase::decode).tap({});
    tapped.model.executor(Phase::decode).time_steps(false);
    for (const std::int32_t token : {6, 2, 5}) CHECK(plain.feed({token}) == tapped.feed({token}));
}

}  // namespace

TEST_CASE(
    "with every possible tap on, and clocks, steps, places and logits are those of the run without, bit for bit") {
    for (const std::string& name : golden_names()) {
        check_untouched(name, false, {});
        check_untouched(name, true, {});
        check_untouched(name, false, in_blocks());
    }
}

TEST_CASE("every value that a model wrote is seen, but what nothing wants, and is near the run without passes") {
    for (const std::string& name : golden_names()) {
        for (const bool on_gpu : {false, true}) {
            CAPTURE(name);
            CAPTURE(on_gpu);
            LanguageModelOptions unfused;
            for (const Pass& pass : all_passes()) unfused.passes.disabled.emplace(pass.name);
            CHECK(fmt::format("{}", fmt::join(Glass(name, on_gpu, {}).recovery(Phase::prefill).lost(), " ")) == "");
            Glass fused(name, on_gpu, exact()), naive(name, false, unfused);
            const SymbolValues symbols = sizes(std::ssize(kPrompt), std::ssize(kPrompt));

            const Recovery recovery = fused.recovery(Phase::prefill);
            CHECK(fmt::format("{}", fmt::join(recovery.lost(), " ")) == "");
            const Graph source = fused.source(Phase::prefill);
            std::map<ValueId, std::vector<std::string>> paths;  // of one value of the recovery
            std::vector<ValueId> wanted;
            for (const ValueInfo& value : source.values) {
                const auto found = recovery.values().find(value.path);
                if (found == recovery.values().end()) continue;  // reported above
                paths[found->second.id].push_back(value.path);
                wanted.push_back(found->second.id);
            }
            fused.model.executor(Phase::prefill).tap(recovery.taps_for(wanted));
            naive.model.executor(Phase::prefill).tap(tappable(naive.model.program(Phase::prefill)));
            fused.feed(kPrompt);
            naive.feed(kPrompt);

            const Program& there = naive.model.program(Phase::prefill);
            std::size_t compared = 0;
            recovery.compute(wanted, symbols, fused.host, fused.reader(Phase::prefill, symbols),
                             [&](ValueId id, const Elements& found) {
                                 const TensorType& type = recovery.graph().value(id).type;
                                 for (const std::string& path : paths[id]) {
                                     const ValueId other = there.graph.find(path);
                                     if (other < 0 || there.graph.value(other).producer < 0) continue;
                                     const TensorType& expected_type = there.graph.value(other).type;
                                     if (!is_float(type.dtype) || expected_type.shape != type.shape) continue;
                                     if (expected_type.dtype != type.dtype) continue;
                                     CAPTURE(path);
                                     const Elements expected = naive.reader(Phase::prefill, symbols)(other);
                                     const double scale = std::max(1.0, largest(type.dtype, expected));
                                     CHECK(first_difference(type, expected, found, {1e-4, 1e-4 * scale}) == "");
                                     ++compared;
                                 }
                             });
            CHECK(compared > source.nodes.size() / 2);
        }
    }
}

TEST_CASE("weights in blocks and rounded activations hide no value, and change none by more than their rounding") {
    std::size_t rounded_models = 0;
    for (const std::string& name : golden_names()) {
        CAPTURE(name);
        LanguageModelOptions unfused;
        for (const Pass& pass : all_passes()) unfused.passes.disabled.emplace(pass.name);
        Glass fused(name, false, in_blocks()), naive(name, false, unfused);
        const SymbolValues symbols = sizes(std::ssize(kPrompt), std::ssize(kPrompt));
        const std::vector<ValueInfo>& values = fused.model.program(Phase::prefill).graph.values;
        rounded_models += std::any_of(values.begin(), values.end(),
                                      [](const ValueInfo& value) { return is_rounded(value.type.dtype); });
        const Recovery recovery = fused.recovery(Phase::prefill);
        CHECK(fmt::format("{}", fmt::join(recovery.lost(), " ")) == "");

        const Program& there = naive.model.program(Phase::prefill);
        std::map<ValueId, std::vector<std::string>> paths;
        std::vector<ValueId> wanted;
        for (const auto& [path, found] : recovery.values()) {
            const ValueId other = there.graph.find(path);
            if (other < 0 || there.graph.value(other).kind != ValueKind::result) continue;
            CAPTURE(path);
            const TensorType &a = there.graph.value(other).type, &b = recovery.graph().value(found.id).type;
            REQUIRE(a.shape.size() == b.shape.size());
            for (std::size_t i = 0; i < a.shape.size(); ++i)
                CHECK((a.shape[i] == b.shape[i] || (a.shape[i].is_symbol() && b.shape[i].is_symbol())));
            if (a.shape != b.shape || !is_float(a.dtype)) continue;
            paths[found.id].push_back(path);
            wanted.push_back(found.id);
        }
        fused.model.executor(Phase::prefill).tap(recovery.taps_for(wanted));
        naive.model.executor(Phase::prefill).tap(tappable(there));
        fused.feed(kPrompt);
        naive.feed(kPrompt);
        recovery.compute(wanted, symbols, fused.host, fused.reader(Phase::prefill, symbols),
                         [&](ValueId id, const Elements& found) {
                             for (const std::string& path : paths[id]) {
                                 CAPTURE(path);
                                 const ValueId other = there.graph.find(path);
                                 const Elements expected = naive.reader(Phase::prefill, symbols)(other);
                                 Tensor a = tensor_of(there.graph.value(other).type, symbols),
                                        b = tensor_of(recovery.graph().value(id).type, symbols);
                                 a.data = const_cast<std::byte*>(expected.data());
                                 b.data = const_cast<std::byte*>(found.data());
                                 // One that stood for another would be off by about 1.
                                 CHECK(difference(a, b).nmse < 0.02);
                             }
                         });
        CHECK(wanted.size() > there.graph.nodes.size() / 2);
    }
    CHECK(rounded_models >= 5);
}

}  // namespace vitro::test
