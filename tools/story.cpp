#include "tools/story.h"

#include "graph/check_plan.h"
#include "graph/load_program.h"
#include "runtime/compile_model.h"

#include <algorithm>

namespace vitro {
namespace {

constexpr std::int64_t kCheckedContext = 64;

LanguageModelOptions options_of(const StoryFlags& flags, const ModelConfig& config, const Devices& devices) {
    ModelFlags model = flags.model;
    if (model.context == 0 && flags.passes.check_numerics)  // its values are all kept: a small cache will do
        model.context = std::min(config.max_positions, kCheckedContext);
    PipelineOptions passes = pipeline_options(flags.passes);
    passes.disabled.insert(flags.more_passes.disabled.begin(), flags.more_passes.disabled.end());
    passes.enabled.insert(flags.more_passes.enabled.begin(), flags.more_passes.enabled.end());
    const OpenOptions options = open_options(
        model, {.max_sequences = flags.step.batch, .chunk = flags.step.chunk, .passes = std::move(passes)});
    return completed(model_options(options, config, devices), config);
}

/// Compiles both phases, and what they split off into one program. Its stages are what each of them needs, and that
/// program.
Story load_story(const StoryFlags& flags, const Devices& devices) {
    const ModelConfig config = read_model_config(flags.model.directory);
    const LanguageModelOptions options = options_of(flags, config, devices);
    const std::optional<Checkpoint> checkpoint = checkpoint_if_any(flags.model.directory);
    Story story;
    story.phase = flags.phase;
    story.backend = &devices.targets.back().backend;
    const std::vector<Phase> phases{Phase::prefill, Phase::decode};
    CompiledModel compiled =
        compile_model(config, phases, options, devices.targets, checkpoint ? &*checkpoint : nullptr);
    story.report = std::move(compiled.report);
    for (std::size_t i = 0; i < phases.size(); ++i)
        story.stages.emplace_back(std::string(name(phases[i])),
                                  fmt::format("what {} reads that depends on weights alone", name(phases[i])),
                                  compiled.programs[i].load);
    const Program* const both[] = {&compiled.programs[0], &compiled.programs[1]};
    story.program = LoadProgram(both, devices.targets).program();
    if (options.verify_plan) require_sound(story.program);
    story.stages.emplace_back("program", "all weights of both, equal ones once", story.program.graph);
    return story;
}

}  // namespace

void add_story_flags(const Command& command, StoryFlags& flags) {
    add_model_flags(command, flags.model);
    add_step_flags(command, flags.step);
    command.choice("--phase", flags.phase, {"prefill", "decode", "load"},
                   "which program: prefill (for chunks of a prompt), decode (the default: for single tokens), or load "
                   "(runs once, when the model is loaded, and prepares the weights from the checkpoint's tensors)");
    add_pass_flags(command, flags.passes);
}

namespace {

/// Compiles a phase and keeps every stage; `after` is told of each, too.
Story compile_phase(const ModelConfig& config, Phase phase, LanguageModelOptions options,
                    std::span<const Target> targets, const Checkpoint* checkpoint,
                    const std::function<void(const Pass* pass, const Graph& now)>& after) {
    Story story;
    story.phase = name(phase);
    story.backend = &targets.back().backend;
    options.passes.after = [&](const Pass* pass, const Graph& now, bool changed) {
        after(pass, now);
        if (pass == nullptr)
            story.stages.emplace_back("build", "the model's equations", now);
        else if (changed)
            story.stages.emplace_back(std::string(pass->name), std::string(pass->equation), now);
        else
            story.stages.emplace_back(std::string(pass->name), std::string(pass->equation), Stage(story.stages.back()));
    };
    CompiledModel compiled = compile_model(config, {phase}, options, targets, checkpoint);
    story.report = std::move(compiled.report);
    story.program = std::move(compiled.programs[0]);
    story.stages.emplace_back("program", "devices, kernels, an order and places in memory", joined(story.program));
    return story;
}

}  // namespace

Story compile_story(const StoryFlags& flags, const Devices& devices) {
    if (flags.phase == "load") return load_story(flags, devices);
    const ModelConfig config = read_model_config(flags.model.directory);
    const Phase phase = flags.phase == "prefill" ? Phase::prefill : Phase::decode;
    const std::optional<Checkpoint> checkpoint = checkpoint_if_any(flags.model.directory);
    PassChecks checks(flags.passes, devices.targets.back().backend);
    Story story = compile_phase(config, phase, options_of(flags, config, devices), devices.targets,
                                checkpoint ? &*checkpoint : nullptr,
                                [&](const Pass* pass, const Graph& now) { checks.after(pass, now); });
    checks.print(story.report);
    return story;
}

Story story_of(const LanguageModel& model, Phase phase) {
    return compile_phase(model.config(), phase, model.options(), model.targets(), &model.checkpoint(),
                         [](const Pass*, const Graph&) {});
}

}  // namespace vitro
