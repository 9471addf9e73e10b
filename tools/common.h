// What the subcommands share: the flags that choose a model, opening it, texts that they are given.
#pragma once

#include "frontend/chat_format.h"
#include "frontend/config.h"
#include "frontend/tokenizer/tokenizer.h"
#include "runtime/generator.h"
#include "runtime/open_model.h"
#include "tools/command.h"
#include "tools/output.h"
#include "tools/signals.h"

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace vitro {

/// Which flags help against an error, to be printed behind its text; empty where none is known.
std::string hint(const std::exception& error);

/// "weights   57% of 7.64 GB" on one line of the terminal, which is empty again at the end; the unit is 10^9 of what is
/// counted.
struct ProgressBar {
    std::string what, unit;
    int shown = -1;

    void operator()(std::size_t done, std::size_t all);
};

/// Each on a line of stderr that begins with "warning: ".
void print_warnings(const std::vector<std::string>& warnings);

/// The model that the text names: a path, or what `./dev fetch` got under that name.
std::filesystem::path named_model(const std::string& text);

/// What --weights takes.
inline constexpr std::array<std::string_view, 5> kWeightsChoices{"stored", "fp8", "q8_0", "q4_0", "q4_k"};

/// What --kv-type takes.
inline constexpr std::array<std::string_view, 6> kKvTypeChoices{"auto", "f32", "f16", "bf16", "q8_0", "fp8"};

struct ModelFlags {
    std::filesystem::path directory;
    std::string device = "auto";
    std::int64_t context = 0;
    int threads = 0;
    std::string cpu_kernels;
    std::string weights = "stored";
    std::string activations = "auto";
    std::string kv_type = "auto";
    bool verify_plan = false;
    bool exact = false;
};

/// Keeps the value of an option that names a device; Error when it does not.
void take_device(const std::string& text, std::string& device);
/// -t, --device, --cpu-kernels and --verify-plan.
void add_device_flags(const Command& command, ModelFlags& flags);
/// -m, and with `runs` also -c, -t, --device, --cpu-kernels, --weights, --activations, --kv-type, --exact and
/// --verify-plan.
void add_model_flags(const Command& command, ModelFlags& flags, bool runs = true);

/// --batch and --chunk: of how large steps a report is.
struct StepFlags {
    std::int64_t batch = 1;
    std::int64_t chunk = LanguageModelOptions{}.chunk;
};
void add_step_flags(const Command& command, StepFlags& flags);

/// A text: in the command line, in a file, or from stdin, where none is given or "-" is.
struct TextFlags {
    std::optional<std::string> text;
    std::filesystem::path file;
};
struct TextOptions {
    Option text, file;
};
/// -p, --prompt, the text without a flag, and -f, --file. `what` for the help: "the text to continue".
TextOptions add_text_flags(const Command& command, TextFlags& flags, const std::string& what);
/// The text; of a file or stdin, without the newline at its end. UsageError when there is none and stdin is a terminal
/// or empty.
std::string read_text(const TextFlags& flags);

/// A text, or its tokens.
struct TokensFlags {
    TextFlags text;
    std::vector<std::int32_t> tokens;
};
/// Those of a text, and --tokens in its place.
void add_tokens_flags(const Command& command, TokensFlags& flags);
/// The tokens; a text is read, and encoded by the model's tokenizer.
std::vector<std::int32_t> read_tokens(const ModelFlags& model, const TokensFlags& flags);

/// What the flags say of how a model is to run; the rest is as in `options`.
OpenOptions open_options(const ModelFlags& flags, LanguageModelOptions options = {});

// As in runtime/; warnings are printed.
Devices open_devices(const ModelFlags& flags);
OpenModel open_model(const ModelFlags& flags, LanguageModelOptions options = {});
Tokenizer open_tokenizer(const ModelFlags& flags);

/// A graph file, or what stands on stdin where the path is "-".
Graph read_graph(const std::filesystem::path& path);

/// --chat-template
Option add_chat_template_flag(const Command& command, std::string& choice);
/// The chat template that --chat-template names, or of the model directory where it is empty.
ChatFormat chat_format(const std::filesystem::path& directory, const Tokenizer& tokenizer, std::string_view choice);

/// --temp, --top-k, --top-p, --min-p, --repeat-penalty, --logit-bias, --seed.
void add_sampling_flags(const Command& command, SamplingOptions& options);

/// Prints `text` to stdout, or writes it to a file when `output` names one.
void print_or_write(std::string_view text, const std::filesystem::path& output);

/// The prompt's "N tokens, T s, R tok/s" lines on stderr.
void print_timings(const Generation& generation, std::size_t prompt_tokens);

// One per file: each adds its subcommand.
void add_run(CommandLine& line);
void add_chat(CommandLine& line);
void add_show(CommandLine& line);
void add_tokenize(CommandLine& line);
void add_next(CommandLine& line);
void add_logits(CommandLine& line);
void add_perplexity(CommandLine& line);
void add_embed(CommandLine& line);
void add_classify(CommandLine& line);
void add_graph(CommandLine& line);
void add_opt(CommandLine& line);
void add_exec(CommandLine& line);
void add_ops(CommandLine& line);
void add_plan(CommandLine& line);
void add_devices(CommandLine& line);
void add_bench(CommandLine& line);
void add_convert(CommandLine& line);
void add_tap(CommandLine& line);
void add_trace(CommandLine& line);
void add_why(CommandLine& line);
void add_attend(CommandLine& line);
void add_mask(CommandLine& line);
void add_compare(CommandLine& line);
void add_profile(CommandLine& line);
void add_completion(CommandLine& line);

}  // namespace vitro
