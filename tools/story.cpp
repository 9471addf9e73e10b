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

/// Compiles phases and keeps every stage, which they share but for the last; `after` is told of each, too.
std::vector<Story> compile_phases(const ModelConfig& config, const std::vector<Phase>& phases,
                                  LanguageModelOptions options, std::span<const Target> targets,
                                  const Checkpoint* checkpoint,
                                  const std::function<void(const Pass* pass, const Graph& now)>& after) {
    std::vector<Stage> stages;
    options.passes.after = [&](const Pass* pass, const Graph& now, bool changed) {
        after(pass, now);
        if (pass == nullptr)
            stages.emplace_back("build", "the model's equations", now);
        else if (changed)
            stages.emplace_back(std::string(pass->name), std::string(pass->equation), now);
        else
            stages.emplace_back(std::string(pass->name), std::string(pass->equation), Stage(stages.back()));
    };
    CompiledModel compiled = compile_model(config, phases, options, targets, checkpoint);
    std::vector<Story> stories;
    for (std::size_t i = 0; i < phases.size(); ++i) {
        Story& story = stories.emplace_back(Story{.phase = std::string(name(phases[i])),
                                                  .stages = stages,
                                                  .report = compiled.report,
                                                  .program = std::move(compiled.programs[i]),
                                                  .backend = &targets.back().backend});
        story.stages.emplace_back("program", "devices, kernels, an order and places in memory", joined(story.program));
    }
    return stories;
}

/// Of what the programs of `phases` split off: what each of them needs, and all of it in one program.
Story load_story(const std::vector<Story>& phases, const Devices& devices, bool verify_plan) {
    Story story;
    story.phase = "load";
    story.backend = &devices.targets.back().backend;
    story.report = phases.back().report;
    std::vector<const Program*> programs;
    for (const Story& phase : phases) {
        story.stages.emplace_back(phase.phase, fmt::format("what {} reads that depends on weights alone", phase.phase),
                                  phase.program.load);
        programs.push_back(&phase.program);
    }
    story.program = LoadProgram(programs, devices.targets).program();
    if (verify_plan) require_sound(story.program);
    story.stages.emplace_back("program", "all weights of both, equal ones once", story.program.graph);
    return story;
}

/// Compiles phases of the model that the flags name.
std::vector<Story> compile_phases(const StoryFlags& flags, const Devices& devices, const std::vector<Phase>& phases) {
    const ModelConfig config = read_model_config(flags.model.directory);
    const std::optional<Checkpoint> checkpoint = checkpoint_if_any(flags.model.directory);
    PassChecks checks(flags.passes, devices.targets.back().backend);
    std::vector<Story> stories = compile_phases(config, phases, options_of(flags, config, devices), devices.targets,
                                                checkpoint ? &*checkpoint : nullptr,
                                                [&](const Pass* pass, const Graph& now) { checks.after(pass, now); });
    checks.print(stories.front().report);
    return stories;
}

}  // namespace

std::vector<Story> compile_stories(const StoryFlags& flags, const Devices& devices) {
    std::vector<Story> stories = compile_phases(flags, devices, {Phase::prefill, Phase::decode});
    stories.push_back(load_story(stories, devices, flags.model.verify_plan));
    return stories;
}

Story compile_story(const StoryFlags& flags, const Devices& devices) {
    if (flags.phase == "load") return std::move(compile_stories(flags, devices).back());
    const Phase phase = flags.phase == "prefill" ? Phase::prefill : Phase::decode;
    return std::move(compile_phases(flags, devices, {phase})[0]);
}

Story story_of(const LanguageModel& model, Phase phase) {
    return std::move(compile_phases(model.config(), {phase}, model.options(), model.targets(), &model.checkpoint(),
                                    [](const Pass*, const Graph&) {})[0]);
}

}  // namespace vitro
