// vitro logits: the logits of every position of a text, as a file to compare with other implementations.
#include "frontend/safetensors.h"
#include "runtime/append.h"
#include "tools/common.h"

namespace vitro {
namespace {

struct Flags {
    ModelFlags model;
    std::string text;
    std::vector<std::int32_t> tokens;
    std::filesystem::path out;
};

void logits(const Flags& flags) {
    const OpenModel open = open_model(flags.model, {.all_logits = true});
    const auto tokens = flags.tokens.empty() ? open_tokenizer(flags.model).encode(flags.text) : flags.tokens;
    if (tokens.empty()) fail("the text has no tokens: expected at least one");
    std::vector<float> all;
    append(*open.model, {.tokens = tokens, .all_rows = true},
           [&](const PartResult& result) { all.insert(all.end(), result.values.begin(), result.values.end()); });
    const std::int64_t shape[] = {static_cast<std::int64_t>(tokens.size()), open.config.vocab_size};
    const NamedTensor tensor{"logits", Tensor(DType::f32, shape, all.data())};
    write_safetensors(flags.out, {&tensor, 1});
    fmt::print(stderr, "{}: logits f32 [{}, {}]\n", flags.out.string(), shape[0], shape[1]);
}

}  // namespace

void add_logits(CLI::App& app, int&) {
    auto flags = std::make_shared<Flags>();
    CLI::App* command = app.add_subcommand("logits",
                                           "write the logits of all positions to a safetensors file\nExample: vitro "
                                           "logits -p \"Hello\" -o logits.safetensors");
    add_model_flags(*command, flags->model);
    CLI::Option_group* what = command->add_option_group("text", "what to compute them for");
    what->add_option("-p,--prompt", flags->text, "a text")->type_name("TEXT");
    what->add_option("--tokens", flags->tokens, "token ids")->delimiter(',')->type_name("1,2,3");
    what->require_option(1);
    command->add_option("-o,--output", flags->out, "the file to write: tensor logits, f32 [tokens, vocab]")
        ->required()
        ->type_name("FILE");
    command->callback([flags] { logits(*flags); });
}

}  // namespace vitro
