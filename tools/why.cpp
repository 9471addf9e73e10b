// vitro why: the life of one value on one screen.
#include "graph/dump/why.h"

#include "tools/output.h"
#include "tools/story.h"

namespace vitro {
namespace {

struct Flags : StoryFlags {
    std::string path;
    bool json = false;
};

}  // namespace

void add_why(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command = line.add(
        "why",
        "tell the story of a value: where it was written, what passes did to it and why, its memory, its readers\n"
        "Example: vitro why layers.0.mlp.gate_up_proj",
        [flags] {
            const Devices devices = open_devices(flags->model);
            const Story story = compile_story(*flags, devices);
            write_out(flags->json ? why_json(story, flags->path) : why_text(story, flags->path));
            return 0;
        });
    command.option("path", flags->path, "a value, by its path or the end of it", "PATH").required();
    add_story_flags(command, *flags);
    command.flag("--json", flags->json, "print JSON");
}

}  // namespace vitro
