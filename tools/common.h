// What the subcommands share: the flags that choose a model, opening it, and interruption.
#pragma once

#include "frontend/chat_format.h"
#include "frontend/config.h"
#include "frontend/tokenizer/tokenizer.h"
#include "runtime/generator.h"
#include "runtime/open_model.h"

#include <CLI/CLI.hpp>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace vitro {

/// Set by the first Ctrl-C; a second one ends the program at once.
extern std::atomic<bool> interrupted;

/// Installs the handler that sets `interrupted`.
void catch_interrupt();

/// Which flags help against an error, to be printed behind its text; empty where none is known.
std::string hint(const std::exception& error);

/// Exit code of a command that Ctrl-C ended.
inline constexpr int kInterruptedExit = 130;

struct ModelFlags {
    std::filesystem::path directory;
    std::string device = "auto";
    std::int64_t context = 0;
    int threads = 0;
    std::string weights = "stored";
    std::string activations = "auto";
    std::string kv_type = "auto";
    bool verify_plan = false;
};

/// --device
void add_device_flag(CLI::App& app, std::string& device);
/// -t, --device and --verify-plan.
void add_device_flags(CLI::App& app, ModelFlags& flags);
/// -m, and with `runs` also -c, -t, --device, --weights, --activations, --kv-type and --verify-plan.
void add_model_flags(CLI::App& app, ModelFlags& flags, bool runs = true);

/// --batch and --chunk: of how large steps a report is.
struct StepFlags {
    std::int64_t batch = 1;
    std::int64_t chunk = LanguageModelOptions{}.chunk;
};
void add_step_flags(CLI::App& app, StepFlags& flags);

/// What the flags say of how a model is to run; the rest is as in `options`.
OpenOptions open_options(const ModelFlags& flags, LanguageModelOptions options = {});

// As in runtime/; warnings are printed.
Devices open_devices(const ModelFlags& flags);
OpenModel open_model(const ModelFlags& flags, LanguageModelOptions options = {});
Tokenizer open_tokenizer(const ModelFlags& flags);

/// A graph file, or what stands on stdin where the path is "-".
Graph read_graph(const std::filesystem::path& path);

/// --chat-template
CLI::Option* add_chat_template_flag(CLI::App& app, std::string& choice);
/// The chat template that --chat-template names, or of the model directory where it is empty.
ChatFormat chat_format(const std::filesystem::path& directory, const Tokenizer& tokenizer, std::string_view choice);

struct SamplingFlags {
    SamplingOptions options;
    std::vector<std::string> logit_bias;  // ID=BIAS
};
/// --temp, --top-k, --top-p, --min-p, --repeat-penalty, --logit-bias, --seed.
void add_sampling_flags(CLI::App& app, SamplingFlags& flags);
/// The options, with --logit-bias parsed.
SamplingOptions sampling_options(const SamplingFlags& flags);

/// Prints `text` to stdout, or writes it to a file when `output` names one.
void print_or_write(std::string_view text, const std::filesystem::path& output);

/// The prompt's "N tokens, T s, R tok/s" lines on stderr.
void print_timings(const Generation& generation, std::size_t prompt_tokens);

// One a file: each adds its subcommand, whose callback throws Error or sets `exit_code`.
void add_run(CLI::App& app, int& exit_code);
void add_chat(CLI::App& app, int& exit_code);
void add_show(CLI::App& app, int& exit_code);
void add_tokenize(CLI::App& app, int& exit_code);
void add_next(CLI::App& app, int& exit_code);
void add_logits(CLI::App& app, int& exit_code);
void add_graph(CLI::App& app, int& exit_code);
void add_opt(CLI::App& app, int& exit_code);
void add_exec(CLI::App& app, int& exit_code);
void add_ops(CLI::App& app, int& exit_code);
void add_plan(CLI::App& app, int& exit_code);
void add_devices(CLI::App& app, int& exit_code);
void add_bench(CLI::App& app, int& exit_code);
void add_tap(CLI::App& app, int& exit_code);

}  // namespace vitro
