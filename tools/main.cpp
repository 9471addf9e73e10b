#include "ops/op_list.h"
#include "passes/plugin.h"
#include "tools/build_info.h"
#include "tools/common.h"

#include <csignal>
#include <new>

namespace vitro {
namespace {

std::string version_text() {
    const BuildInfo& info = build_info();
    std::string cuda = "none, but the emulation on the CPU: built without nvcc";
    if (!info.cuda_architectures.empty()) cuda = fmt::format("kernels for {}", info.cuda_architectures);
    return fmt::format(
        "vitro {}\ncommit    {}\ncompiler  {}, {}\nCPU       kernels for {}; here {} is used\nCUDA      {}",
        info.version, info.commit, info.compiler, info.kind, info.isas, name(isa_in_use()), cuda);
}

int run_command(int argc, char** argv) {
    CommandLine line(
        "vitro: a see-through graph compiler and runtime for language models\n"
        "Example: vitro run \"The capital of France is\"");
    line.add_text("--version", "print version, commit, compiler, instruction sets and CUDA support", version_text);
    line.add_text(
        "--plugin-flags",
        "print the compiler options for building a plugin that this vitro can load: c++ $(vitro --plugin-flags) -o "
        "lib.so lib.cpp",
        [] { return std::string(build_info().plugin_flags); });
    line.add_text("--plugin-flags-cuda-emulated",
                  "the same for a plugin with CUDA kernels that cuda-emulated runs: c++ $(vitro "
                  "--plugin-flags-cuda-emulated) -o lib.so "
                  "lib.cu",
                  [] { return std::string(build_info().emulated_flags); });
    line.add_text("--plugin-flags-cuda", "the same for a GPU: nvcc $(vitro --plugin-flags-cuda) -o lib.so lib.cu",
                  []() -> std::string {
                      if (build_info().cuda_flags.empty())
                          fail("--plugin-flags-cuda: this program was built without CUDA (./dev build --cuda)");
                      return std::string(build_info().cuda_flags);
                  });
    std::vector<std::string> plugins;
    line.program().repeated(
        "--plugin", [&plugins](const std::string& library) { plugins.push_back(library); },
        "load a shared library with more ops, kernels and passes (passes/plugin.h); comes before the subcommand; may "
        "be repeated",
        "LIB.so");
    add_run(line);
    add_chat(line);
    add_show(line);
    add_next(line);
    add_tokenize(line);
    add_logits(line);
    add_perplexity(line);
    add_embed(line);
    add_classify(line);
    add_graph(line);
    add_opt(line);
    add_exec(line);
    add_ops(line);
    add_plan(line);
    add_devices(line);
    add_bench(line);
    add_convert(line);
    add_tap(line);
    add_trace(line);
    add_why(line);
    add_attend(line);
    add_mask(line);
    add_compare(line);
    add_profile(line);
    add_completion(line);
    const std::function<int()> run = line.parse(argc, argv);
    for (const std::string& library : plugins) load_plugin(library);
    const int exit_code = run();
    flush_out();
    return exit_code;
}

/// What was gathered before an error; that it cannot be written does not hide the error.
void flush_before_error() {
    try {
        flush_out();
    } catch (const std::exception&) {
    }
}

int report(const std::exception& error, int exit_code) {
    flush_before_error();
    print_err("error: {}{}\n", error.what(), hint(error));
    return exit_code;
}

int run_program(int argc, char** argv) {
    try {
        return run_command(argc, argv);
    } catch (const ClosedPipe&) {
        throw;
    } catch (const UsageError& error) {
        return report(error, 2);
    } catch (const std::bad_alloc&) {
        return report(Error("there is not enough memory"), 1);
    } catch (const std::exception& error) {
        return report(error, 1);
    } catch (...) {  // by a plugin
        return report(Error("something was thrown that is no std::exception"), 1);
    }
}

}  // namespace
}  // namespace vitro

int main(int argc, char** argv) {
    vitro::prepare_output();
    vitro::guard_files();
    try {
        return vitro::run_program(argc, argv);
    } catch (const vitro::ClosedPipe&) {
        // As programs end that do not ask: a shell knows what that means.
        std::signal(SIGPIPE, SIG_DFL);
        std::raise(SIGPIPE);
    }
}
