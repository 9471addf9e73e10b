// A model's graph from its equations to a program, every stage kept: what `vitro graph` and `vitro why` tell of.
#pragma once

#include "graph/dump/story.h"
#include "tools/common.h"
#include "tools/pass_flags.h"

#include <string>

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

/// Compiles the model's graph and keeps every stage. Works without weights.
Story compile_story(const StoryFlags& flags, const Devices& devices);
/// The same of a phase of a model that is open.
Story story_of(const LanguageModel& model, Phase phase);

}  // namespace vitro
