// A model's graph from its equations to a program, every stage kept: what `vitro graph` and `vitro why` tell of.
#pragma once

#include "graph/dump/story.h"
#include "tools/common.h"
#include "tools/pass_flags.h"

#include <string>
#include <vector>

namespace vitro {

struct StoryFlags {
    ModelFlags model;
    StepFlags step;
    std::string phase = "decode";  // or "prefill", "load"
    PassFlags passes;
    PipelineOptions more_passes;  // leaves out and takes in these besides
};
/// The flags of a model that runs, --batch, --chunk, --phase and the passes'.
void add_story_flags(const Command& command, StoryFlags& flags);

/// Compiles the model's graph and keeps every stage: the story of flags.phase. Works without weights.
Story compile_story(const StoryFlags& flags, const Devices& devices);
/// The stories of prefill, decode and load, from one compilation.
std::vector<Story> compile_stories(const StoryFlags& flags, const Devices& devices);
/// The same of a phase of a model that is open.
Story story_of(const LanguageModel& model, Phase phase);

}  // namespace vitro
