#include "tools/common.h"

#include "frontend/file.h"
#include "frontend/model_directory.h"
#include "runtime/errors.h"

#include <unistd.h>

#include <limits>

namespace vitro {
namespace {

std::filesystem::path program_directory() {
    std::error_code ignored;
    return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
}

/// Where `cmake --install` puts it, or beside the program where that was copied with it (bench/gpu/bundle.sh), else in
/// the source tree.
std::filesystem::path bundled_model() {
    std::error_code ignored;
    const std::filesystem::path program = program_directory();
    for (const char* place : {"../share/vitro/models/bundled/tiny-phi3", "models/bundled/tiny-phi3"})
        if (std::filesystem::exists(program / place, ignored)) return (program / place).lexically_normal();
    return VITRO_BUNDLED_MODEL;
}

}  // namespace

std::filesystem::path named_model(const std::string& text) {
    // Where ./dev fetch puts them.
    const std::filesystem::path places[] = {"build/models", (program_directory() / "../models").lexically_normal()};
    return find_model(text, places);
}

void ProgressBar::operator()(std::size_t done, std::size_t all) {
    const int percent = all == 0 ? shown : static_cast<int>(100 * done / all);
    if (percent == shown) return;
    shown = percent;
    const std::string line = fmt::format("{} {:>4}% of {:.2f} {}", what, percent, static_cast<double>(all) / 1e9, unit);
    print_err("\r{}", line);
    if (done == all) print_err("\r{:{}}\r", "", line.size());
}

void print_warnings(const std::vector<std::string>& warnings) {
    for (const std::string& warning : warnings) print_err("warning: {}\n", warning);
}

std::string hint(const std::exception& error) {
    if (dynamic_cast<const ContextError*>(&error) != nullptr) return ": shorten it, or give a larger context (-c)";
    if (dynamic_cast<const MemoryError*>(&error) != nullptr)
        return ": give a smaller context (-c), or weights or a cache of a smaller type (--weights, --kv-type)";
    if (dynamic_cast<const NoChatTemplate*>(&error) != nullptr)
        return "; give raw prompts, or name a template by --chat-template " + chat_template_choices();
    return {};
}

void take_device(const std::string& text, std::string& device) {
    if (const std::string wrong = why_no_device(text); !wrong.empty()) fail("{}", wrong);
    device = text;
}

void add_device_flags(const Command& command, ModelFlags& flags) {
    command.number("-t,--threads", flags.threads, {1, 1024}, "threads (default: one per core)");
    command.checked(
        "--device", [&flags](const std::string& text) { take_device(text, flags.device); },
        "where to run: auto (the default: a GPU, if there is one), cpu, cuda, cuda:N, or cuda-emulated (the CUDA "
        "kernels on the CPU)",
        "DEVICE");
    command.option(
        "--cpu-kernels", flags.cpu_kernels,
        "kernels of the CPU: of an instruction set by its name (vitro devices), or reference: the same program, run by "
        "the ops' references (default: the best that the CPU has)",
        "ISA|reference");
    command.flag("--verify-plan", flags.verify_plan, "check by replay that no step overwrites what is read later");
}

void add_model_flags(const Command& command, ModelFlags& flags, bool runs) {
    flags.directory = bundled_model();
    const auto take = [&flags](const std::string& text) {
        if (text.empty()) fail("expected a path, found ''");
        flags.directory = named_model(text);
    };
    command.checked(
        "-m,--model", take,
        "model directory, as Hugging Face saves it, or a GGUF file, or the name of a model that ./dev fetch got "
        "(default: the bundled model)",
        "MODEL");
    if (!runs) return;
    command.number("-c,--ctx-size", flags.context, {1, 1 << 30},
                   "longest text in tokens (default: the model's, at most 4096)");
    add_device_flags(command, flags);
    command.choice(
        "--weights", flags.weights, {kWeightsChoices.begin(), kWeightsChoices.end()},
        "type of the weights: stored (the default: as in the checkpoint), fp8 (e4m3 with a scale per row), or a "
        "block-quantized type of GGUF files");
    command.choice("--activations", flags.activations, {"auto", "f32", "f16", "bf16"},
                   "element type of all values between embedding and logits; auto, the default: f32 on the CPU, the "
                   "checkpoint's type on a GPU");
    command.choice("--kv-type", flags.kv_type, {kKvTypeChoices.begin(), kKvTypeChoices.end()},
                   "element type of the KV cache; auto, the default: f16 on the CPU, else, and for "
                   "models that write no text, that of the activations");
    command.flag("--exact", flags.exact,
                 "do not round activations to 8 bits before products with block-quantized weights, nor to bf16 before "
                 "products with weights of bf16, as CPUs that multiply bf16 have it");
}

void add_step_flags(const Command& command, StepFlags& flags) {
    command.number("--batch", flags.batch, {1, 4096}, "sequences in the cache at the same time (default 1)", "B");
    command.number("--chunk", flags.chunk, {1}, "prompt tokens that one step takes at most (default 128)");
}

TextOptions add_text_flags(const Command& command, TextFlags& flags, const std::string& what) {
    const auto take = [&flags](const std::string& text) { flags.text = text; };
    const Option text =
        command.checked("-p,--prompt,prompt", take, what + "; if it is - or missing, it is read from stdin", "TEXT");
    const Option file = command.option("-f,--file", flags.file, what + ", in a file", "FILE");
    text.excludes(file);
    return {text, file};
}

void add_tokens_flags(const Command& command, TokensFlags& flags) {
    const auto [text, file] = add_text_flags(command, flags.text, "the text");
    const Option tokens =
        command.list("--tokens", flags.tokens, "token ids instead of a text; no tokenizer is needed", "1,2,3");
    tokens.excludes(text).excludes(file);
}

std::vector<std::int32_t> read_tokens(const ModelFlags& model, const TokensFlags& flags) {
    return flags.tokens.empty() ? open_tokenizer(model).encode(read_text(flags.text)) : flags.tokens;
}

std::string read_text(const TextFlags& flags) {
    constexpr std::size_t kMostBytes = std::size_t{64} << 20;
    if (flags.text && flags.text != "-") return *flags.text;
    const bool is_piped = !flags.text && flags.file.empty();
    if (is_piped && isatty(STDIN_FILENO) != 0)
        fail_usage("expected a text, such as \"The capital of France is\", or -f FILE, or one from a pipe");
    std::string text = flags.file.empty() ? read_stdin(kMostBytes) : read_file(flags.file, kMostBytes);
    if (is_piped && text.empty()) fail_usage("expected a text, found none: stdin is empty");
    if (text.ends_with('\n')) text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
    return text;
}

OpenOptions open_options(const ModelFlags& flags, LanguageModelOptions options) {
    options.context = flags.context;
    options.verify_plan = flags.verify_plan;
    options.passes.exact = flags.exact;
    if (isatty(STDERR_FILENO) != 0) options.progress = ProgressBar{.what = "weights", .unit = "GB"};
    OpenOptions out{
        .device = flags.device, .threads = flags.threads, .kernels = flags.cpu_kernels, .model = std::move(options)};
    if (flags.activations != "auto") out.activation = dtype_named(flags.activations);
    if (flags.kv_type != "auto") out.cache = flags.kv_type == "fp8" ? DType::f8e4m3 : dtype_named(flags.kv_type);
    if (flags.weights != "stored") out.weights = flags.weights == "fp8" ? DType::f8e4m3 : dtype_named(flags.weights);
    return out;
}

Devices open_devices(const ModelFlags& flags) {
    Devices devices = open_devices(flags.device, flags.threads, flags.cpu_kernels);
    print_warnings(devices.warnings);
    return devices;
}

OpenModel open_model(const ModelFlags& flags, LanguageModelOptions options) {
    OpenModel open = open_model(flags.directory, open_options(flags, std::move(options)));
    print_warnings(open.devices.warnings);
    for (const std::string& said : open.generation.ignored) print_err("warning: {}; ignored\n", said);
    return open;
}

Tokenizer open_tokenizer(const ModelFlags& flags) { return Tokenizer::load(flags.directory); }

Option add_chat_template_flag(const Command& command, std::string& choice) {
    return command.option("--chat-template", choice, "format messages by this chat template instead of the model's own",
                          chat_template_choices());
}

ChatFormat chat_format(const std::filesystem::path& directory, const Tokenizer& tokenizer, std::string_view choice) {
    SpecialTokens tokens;
    if (tokenizer.bos_id()) tokens.emplace_back("bos_token", tokenizer.piece(*tokenizer.bos_id()));
    if (tokenizer.eos_id()) tokens.emplace_back("eos_token", tokenizer.piece(*tokenizer.eos_id()));
    return ChatFormat::load(directory, std::move(tokens), choice);
}

void add_sampling_flags(const Command& command, SamplingOptions& options) {
    // Beyond, probabilities of different logits are one float, and the most probable tokens cannot be told.
    command.number("--temp", options.temperature, {.least = 0, .most = 1000},
                   "temperature; 0 always takes the most probable token (default)", "T");
    command.number("--top-k", options.top_k, {0}, "choose among the K most probable tokens; 0: all (default)", "K");
    command.number("--top-p", options.top_p, {.least = 0, .most = 1},
                   "choose among the most probable tokens whose probabilities add up to P (default 1: off)", "P");
    command.number("--min-p", options.min_p, {.least = 0, .most = 1},
                   "choose among tokens at least P times as probable as the most probable one (default 0: off)", "P");
    command.number("--repeat-penalty", options.repetition_penalty, {.least = 0, .above_least = true},
                   "above 1: make tokens that already occurred less probable (default 1: off)", "R");
    const auto take_bias = [&options](const std::string& text) {
        const std::size_t equals = text.find('=');
        if (equals == std::string::npos) fail("expected ID=BIAS, such as 42=-5, found '{}'", text);
        constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
        const auto id = static_cast<std::int32_t>(parse_whole(text.substr(0, equals), {0, kMost}));
        options.logit_bias[id] = parse_number(text.substr(equals + 1), {.minus_infinity = true});
    };
    command.repeated("--logit-bias", take_bias,
                     "add BIAS to the logit of token ID, e.g. 42=-5; -inf forbids it; may be repeated", "ID=BIAS");
    command.number("-s,--seed", options.seed, "seed of the random choices (default 0)", "SEED");
}

void print_timings(const Generation& generation, std::size_t prompt_tokens) {
    const auto line = [](const char* what, std::size_t tokens, double seconds) {
        print_err("{:<7} {:>6} tokens {:>9.3f} s {:>10.1f} tokens/s\n", what, tokens, seconds,
                  seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0);
    };
    if (generation.tokens.empty()) return;  // nothing was computed
    line("prompt", prompt_tokens - static_cast<std::size_t>(generation.cached_tokens), generation.prompt_seconds);
    if (generation.tokens.size() > 1) line("decode", generation.tokens.size() - 1, generation.decode_seconds);
}

void print_or_write(std::string_view text, const std::filesystem::path& output) {
    if (output.empty()) return write_out(text);
    OutputFile file(output);
    file.write(text);
    file.commit();
}

}  // namespace vitro
