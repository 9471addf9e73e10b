#include "passes/plugin.h"
#include "tools/common.h"

#include <cstdio>

int main(int argc, char** argv) {
    CLI::App app{
        "vitro: a see-through graph compiler and runtime for language models\n"
        "Example: vitro run \"The capital of France is\""};
    app.set_version_flag("--version", VITRO_VERSION);
    app.require_subcommand(1);
    app.add_option_function<std::vector<std::string>>(
           "--plugin",
           [](const std::vector<std::string>& libraries) {
               for (const std::string& library : libraries) vitro::load_plugin(library);
           },
           "shared library with more ops, kernels and passes (passes/plugin.h); before the subcommand; may be repeated")
        ->allow_extra_args(false)
        ->type_name("LIB.so");
    int exit_code = 0;
    vitro::add_run(app, exit_code);
    vitro::add_chat(app, exit_code);
    vitro::add_show(app, exit_code);
    vitro::add_next(app, exit_code);
    vitro::add_tokenize(app, exit_code);
    vitro::add_logits(app, exit_code);
    vitro::add_graph(app, exit_code);
    vitro::add_opt(app, exit_code);
    vitro::add_exec(app, exit_code);
    vitro::add_ops(app, exit_code);
    vitro::add_plan(app, exit_code);
    vitro::add_devices(app, exit_code);
    vitro::add_bench(app, exit_code);
    vitro::add_tap(app, exit_code);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    } catch (const std::exception& error) {
        std::fflush(stdout);
        fmt::print(stderr, "error: {}{}\n", error.what(), vitro::hint(error));
        return 1;
    }
    return exit_code;
}
