// vitro logits: the logits of every position of a text, as a file to compare with other implementations.
#include "frontend/safetensors.h"
#include "runtime/append.h"
#include "tools/common.h"

namespace vitro {
namespace {

struct Flags {
    ModelFlags model;
    TokensFlags text;
    std::filesystem::path out;
};

void logits(const Flags& flags) {
    const OpenModel open = open_model(flags.model, {.all_logits = true});
    const auto tokens = read_tokens(flags.model, flags.text);
    if (tokens.empty()) fail("the text has no tokens: expected at least one");
    std::vector<float> all;
    append(*open.model, {.tokens = tokens, .all_rows = true},
           [&](const PartResult& result) { all.insert(all.end(), result.values.begin(), result.values.end()); });
    const std::int64_t shape[] = {static_cast<std::int64_t>(tokens.size()), open.config.n_outputs()};
    const NamedTensor tensor{"logits", Tensor(DType::f32, shape, all.data())};
    write_safetensors(flags.out, {&tensor, 1});
    print_err("{}: logits f32 [{}, {}]\n", flags.out.string(), shape[0], shape[1]);
}

}  // namespace

void add_logits(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command = line.add("logits",
                                     "write the logits of all positions to a safetensors file\nExample: vitro "
                                     "logits -p \"Hello\" -o logits.safetensors",
                                     [flags] {
                                         logits(*flags);
                                         return 0;
                                     });
    add_model_flags(command, flags->model);
    add_tokens_flags(command, flags->text);
    command
        .output("-o,--output", flags->out, "the file to write: tensor logits, f32 [tokens, vocab], or [tokens, labels]")
        .required();
}

}  // namespace vitro
