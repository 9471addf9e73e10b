// vitro convert: a model as a GGUF file, its weights in another type.
#include "backends/cpu/host_threads.h"
#include "frontend/gguf/gguf_convert.h"
#include "tools/common.h"

#include <unistd.h>

#include <chrono>

namespace vitro {
namespace {

struct Flags {
    std::filesystem::path model, out;
    std::string type = "q8_0";
    int threads = 0;
};

void run(const Flags& flags) {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    const int threads = flags.threads > 0 ? flags.threads : usable_threads();
    std::function<void(std::size_t, std::size_t)> progress;
    if (isatty(STDERR_FILENO) != 0) progress = ProgressBar{.what = flags.type, .unit = "billion numbers"};
    const GgufConversion done = convert_to_gguf(flags.model, flags.out, gguf_preset(flags.type), threads, progress);
    print_warnings(done.warnings);
    print_err("{}: {} tensors, {} bytes ({:.2f} GB), {:.1f} s\n", flags.out.string(), done.tensors, done.bytes,
              static_cast<double>(done.bytes) / 1e9, std::chrono::duration<double>(Clock::now() - start).count());
}

}  // namespace

void add_convert(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command =
        line.add("convert",
                 "write a model as a GGUF file, which llama.cpp reads, too, its weights in another type\n"
                 "Metadata, tokenizer and chat template go with it. Which weights get more bits than the type's name "
                 "says is as in "
                 "llama.cpp's presets of that name.\n"
                 "Example: vitro convert path/to/model -o model-q4_k_m.gguf --type q4_k_m",
                 [flags] {
                     run(*flags);
                     return 0;
                 });
    command
        .checked(
            "model", [flags](const std::string& text) { flags->model = named_model(text); },
            "model directory, as Hugging Face saves it, or a GGUF file, or the name of a model that ./dev fetch got",
            "MODEL")
        .required();
    command.option("-o,--output", flags->out, "the file to write", "FILE").required();
    std::vector<std::string_view> names;
    for (const GgufPreset& preset : gguf_presets()) names.push_back(preset.name);
    command.choice("--type", flags->type, names, "type of the weights (default q8_0)");
    command.number("-t,--threads", flags->threads, {1, 1024}, "threads (default: one per core)");
}

}  // namespace vitro
