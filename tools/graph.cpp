// vitro graph: the graph that runs.
#include "graph/text.h"
#include "tools/common.h"

namespace vitro {
namespace {

struct Flags {
    ModelFlags model;
    std::string phase = "decode";
    std::string format = "text";
};

void graph(const Flags& flags) {
    const OpenModel open = open_model(flags.model);
    const Program& program = flags.phase == "prefill" ? open.model->prefill_program() : open.model->decode_program();
    fmt::print("{}", print(program.graph));
}

}  // namespace

void add_graph(CLI::App& app, int&) {
    auto flags = std::make_shared<Flags>();
    CLI::App* command = app.add_subcommand("graph", "print the graph that runs\nExample: vitro graph --phase prefill");
    add_model_flags(*command, flags->model);
    command->add_option("--phase", flags->phase, "prefill (chunks of a prompt) or decode (the default)")
        ->check(CLI::IsMember({"prefill", "decode"}));
    command->add_option("--format", flags->format, "text")->check(CLI::IsMember({"text"}));
    command->callback([flags] { graph(*flags); });
}

}  // namespace vitro
