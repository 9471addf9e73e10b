// vitro why: the life of one value on one screen.
#include "graph/dump/why.h"

#include "runtime/profile.h"
#include "tools/output.h"
#include "tools/story.h"

namespace vitro {
namespace {

struct Flags : StoryFlags {
    std::string path;
    std::string prompt;
    std::vector<std::int32_t> tokens;
    bool json = false;
};

constexpr int kPredict = 16;  // decode steps, so that their mean says something

/// Runs the text and what follows it; the times of the steps of the phase that is told of, by their first outputs.
TimeOf measured(const Flags& flags) {
    if (flags.phase == "load") fail_usage("why: -p and --tokens time steps of prefill or decode, found --phase load");
    std::vector<std::int32_t> tokens = flags.tokens;
    if (tokens.empty()) tokens = open_tokenizer(flags.model).encode(flags.prompt);
    if (tokens.empty()) fail("the text has no tokens: expected at least one");
    const OpenModel open =
        open_model(flags.model, {.chunk = flags.step.chunk, .passes = pipeline_options(flags.passes)});
    std::map<std::string, Peaks> peaks;
    for (const Target& target : open.devices.targets)
        peaks.emplace(std::string(target.backend.name()), measure_peaks(target.backend));
    Profile profile(*open.model);
    const Phase phase = flags.phase == "prefill" ? Phase::prefill : Phase::decode;
    std::int32_t next = profile.step(tokens);
    for (int i = 0; i < kPredict && next >= 0 && phase == Phase::decode; ++i) next = profile.step({&next, 1});

    double wall = 0;
    for (const ProfiledRun& run : profile.runs())
        if (run.phase == phase) wall += run.seconds();
    std::map<std::string, StepTime> times;
    for (const ProfileRow& row : rows_of(profile, phase, ProfileBy::step, peaks))
        times[row.name] = {.seconds = row.seconds / static_cast<double>(row.calls),
                           .of_step = row.seconds / wall,
                           .of_peak = row.of_peak(),
                           .bound = row.bound_by(),
                           .runs = row.calls};
    return [times = std::move(times)](const std::string& step) {
        const auto found = times.find(step);
        return found == times.end() ? std::nullopt : std::optional(found->second);
    };
}

}  // namespace

void add_why(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command = line.add(
        "why",
        "tell the story of a value: where it was written, what passes did to it and why, its memory, its time, its\n"
        "readers\n"
        "Example: vitro why layers.0.mlp.gate_up_proj -p \"The capital of France is\"",
        [flags] {
            const Devices devices = open_devices(flags->model);
            const Story story = compile_story(*flags, devices);
            const bool is_timed = !flags->prompt.empty() || !flags->tokens.empty();
            const TimeOf time_of = is_timed ? measured(*flags) : nullptr;
            write_out(flags->json ? why_json(story, flags->path, time_of) : why_text(story, flags->path, time_of));
            return 0;
        });
    command.option("path", flags->path, "a value, by its path or the end of it", "PATH").required();
    add_story_flags(command, *flags);
    command.option("-p,--prompt", flags->prompt, "run this text, and tell how long the value's step takes", "TEXT")
        .excludes(command.list("--tokens", flags->tokens, "token ids in place of a text", "1,2,3"));
    command.flag("--json", flags->json, "print JSON");
}

}  // namespace vitro
