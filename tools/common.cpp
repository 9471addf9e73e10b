#include "tools/common.h"

#include "frontend/file.h"
#include "runtime/errors.h"

#include <unistd.h>

#include <charconv>
#include <csignal>

namespace vitro {

std::atomic<bool> interrupted{false};

namespace {

/// "weights   57% of 7.64 GB" on one line of the terminal, which is empty again at the end.
struct LoadingBar {
    int shown = -1;

    void operator()(std::size_t done, std::size_t all) {
        const int percent = all == 0 ? shown : static_cast<int>(100 * done / all);
        if (percent == shown) return;
        shown = percent;
        fmt::print(stderr, "\rweights {:>4}% of {:.2f} GB", percent, static_cast<double>(all) / 1e9);
        if (done == all) fmt::print(stderr, "\r{:32}\r", "");
        std::fflush(stderr);
    }
};

/// In the source tree, or beside the program where that was copied with it (bench/gpu/bundle.sh).
std::filesystem::path bundled_model() {
    std::error_code ignored;
    if (std::filesystem::exists(VITRO_BUNDLED_MODEL, ignored)) return VITRO_BUNDLED_MODEL;
    return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / "models/bundled/tiny-phi3";
}

void print_warnings(const std::vector<std::string>& warnings) {
    for (const std::string& warning : warnings) fmt::print(stderr, "warning: {}\n", warning);
}

}  // namespace

void catch_interrupt() {
    struct sigaction action {};
    action.sa_handler = [](int) { interrupted = true; };
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(SIGINT, &action, nullptr);
}

std::string hint(const std::exception& error) {
    if (dynamic_cast<const ContextError*>(&error) != nullptr) return ": shorten it, or give a larger context (-c)";
    if (dynamic_cast<const MemoryError*>(&error) != nullptr)
        return ": give a smaller context (-c), or weights or a cache of a smaller type (--weights, --kv-type)";
    return {};
}

void add_device_flag(CLI::App& app, std::string& device) {
    app.add_option("--device", device,
                   "where to run: auto (a GPU, where there is one), cpu, cuda, cuda:N, or cuda-emulated (the CUDA "
                   "kernels on the CPU)")
        ->type_name("DEVICE")
        ->check(why_no_device);
}

void add_device_flags(CLI::App& app, ModelFlags& flags) {
    app.add_option("-t,--threads", flags.threads, "threads (default: one a core)")
        ->type_name("N")
        ->check(CLI::Range(1, 1024));
    add_device_flag(app, flags.device);
    app.add_flag("--verify-plan", flags.verify_plan, "check by replay that no step overwrites what is read later");
}

void add_model_flags(CLI::App& app, ModelFlags& flags, bool runs) {
    flags.directory = bundled_model();
    app.add_option("-m,--model", flags.directory,
                   "model directory, as Hugging Face saves it (default: the bundled model)")
        ->type_name("DIR");
    if (!runs) return;
    app.add_option("-c,--ctx-size", flags.context, "longest text in tokens (default: the model's, at most 4096)")
        ->type_name("N")
        ->check(CLI::Range(1, 1 << 30));
    add_device_flags(app, flags);
    app.add_option("--weights", flags.weights, "stored (as in the checkpoint) or fp8 (e4m3 with a scale for each row)")
        ->check(CLI::IsMember({"stored", "fp8"}));
    app.add_option("--activations", flags.activations,
                   "element type of everything between embedding and logits: auto (f32 on the CPU, the checkpoint's "
                   "on a GPU), f32, f16, bf16")
        ->check(CLI::IsMember({"auto", "f32", "f16", "bf16"}));
    app.add_option("--kv-type", flags.kv_type,
                   "element type of the KV cache: auto (as the activations), f32, f16, bf16, fp8")
        ->check(CLI::IsMember({"auto", "f32", "f16", "bf16", "fp8"}));
}

void add_step_flags(CLI::App& app, StepFlags& flags) {
    app.add_option("--batch", flags.batch, "sequences in the cache at the same time (default 1)")
        ->type_name("B")
        ->check(CLI::Range(1, 4096));
    app.add_option("--chunk", flags.chunk, "tokens of prompts that one step takes (default 128)")
        ->type_name("N")
        ->check(CLI::PositiveNumber);
}

OpenOptions open_options(const ModelFlags& flags, LanguageModelOptions options) {
    options.context = flags.context;
    options.verify_plan = flags.verify_plan;
    if (isatty(STDERR_FILENO) != 0) options.progress = LoadingBar{};
    OpenOptions out{.device = flags.device, .threads = flags.threads, .model = std::move(options)};
    if (flags.activations != "auto") out.activation = dtype_named(flags.activations);
    if (flags.kv_type != "auto") out.cache = flags.kv_type == "fp8" ? DType::f8e4m3 : dtype_named(flags.kv_type);
    out.fp8_weights = flags.weights == "fp8";
    return out;
}

Devices open_devices(const ModelFlags& flags) {
    Devices devices = open_devices(flags.device, flags.threads);
    print_warnings(devices.warnings);
    return devices;
}

OpenModel open_model(const ModelFlags& flags, LanguageModelOptions options) {
    OpenModel open = open_model(flags.directory, open_options(flags, std::move(options)));
    print_warnings(open.devices.warnings);
    return open;
}

Tokenizer open_tokenizer(const ModelFlags& flags) { return Tokenizer::load(flags.directory); }

CLI::Option* add_chat_template_flag(CLI::App& app, std::string& choice) {
    return app.add_option("--chat-template", choice, "format messages by this template in place of the model's own")
        ->type_name(chat_template_choices());
}

ChatFormat chat_format(const std::filesystem::path& directory, const Tokenizer& tokenizer, std::string_view choice) {
    SpecialTokens tokens;
    if (tokenizer.bos_id()) tokens.emplace_back("bos_token", tokenizer.piece(*tokenizer.bos_id()));
    if (tokenizer.eos_id()) tokens.emplace_back("eos_token", tokenizer.piece(*tokenizer.eos_id()));
    return ChatFormat::load(directory, std::move(tokens), choice);
}

void add_sampling_flags(CLI::App& app, SamplingFlags& flags) {
    SamplingOptions& o = flags.options;
    app.add_option("--temp", o.temperature, "temperature; 0 always takes the most probable token (default)")
        ->type_name("T");
    app.add_option("--top-k", o.top_k, "choose among the K most probable tokens; 0: all (default)")->type_name("K");
    app.add_option("--top-p", o.top_p, "choose among the fewest tokens that have this probability together (default 1)")
        ->type_name("P");
    app.add_option("--min-p", o.min_p, "choose among tokens at least P times as probable as the best (default 0)")
        ->type_name("P");
    app.add_option("--repeat-penalty", o.repetition_penalty,
                   "make tokens that came before less probable (default 1: off)")
        ->type_name("R");
    app.add_option("--logit-bias", flags.logit_bias, "add to a token's logit, e.g. 42=-5; may be repeated")
        ->type_name("ID=BIAS");
    app.add_option("-s,--seed", o.seed, "seed of the random choices (default 0)")->type_name("SEED");
}

SamplingOptions sampling_options(const SamplingFlags& flags) {
    SamplingOptions options = flags.options;
    for (const std::string& text : flags.logit_bias) {
        std::int32_t id = 0;
        float bias = 0;
        const char* end = text.data() + text.size();
        const auto [equals, id_error] = std::from_chars(text.data(), end, id);
        const bool has_bias = id_error == std::errc{} && equals != end && *equals == '=';
        const auto [bias_end, bias_error] = std::from_chars(has_bias ? equals + 1 : end, end, bias);
        if (!has_bias || bias_error != std::errc{} || bias_end != end)
            fail("--logit-bias: expected ID=BIAS, such as 42=-5, found '{}'", text);
        options.logit_bias[id] = bias;
    }
    return options;
}

void print_timings(const Generation& generation, std::size_t prompt_tokens) {
    const auto line = [](const char* what, std::size_t tokens, double seconds) {
        fmt::print(stderr, "{:<7} {:>6} tokens {:>9.3f} s {:>10.1f} tokens/s\n", what, tokens, seconds,
                   seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0);
    };
    line("prompt", prompt_tokens - static_cast<std::size_t>(generation.cached_tokens), generation.prompt_seconds);
    if (generation.tokens.size() > 1) line("decode", generation.tokens.size() - 1, generation.decode_seconds);
}

void print_or_write(std::string_view text, const std::filesystem::path& output) {
    if (output.empty()) {
        fmt::print("{}", text);
        return;
    }
    AtomicFile file(output);
    file.write(text);
    file.commit();
}

}  // namespace vitro
