// vitro logits: the logits of every position of a text, as a file to compare with other implementations.
#include "frontend/safetensors.h"
#include "runtime/append.h"
#include "tools/common.h"

namespace vitro {
namespace {

struct Flags {
    ModelFlags model;
    TextFlags text;
    std::vector<std::int32_t> tokens;
    std::filesystem::path out;
};

void logits(const Flags& flags) {
    const OpenModel open = open_model(flags.model, {.all_logits = true});
    const auto tokens = flags.tokens.empty() ? open_tokenizer(flags.model).encode(read_text(flags.text)) : flags.tokens;
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
    const auto [text, file] = add_text_flags(command, flags->text, "the text");
    const Option tokens = command.list("--tokens", flags->tokens, "token ids in place of a text", "1,2,3");
    tokens.excludes(text).excludes(file);
    command.output("-o,--output", flags->out, "the file to write: tensor logits, f32 [tokens, vocab], or [tokens, labels]").required();
}

}  // namespace vitro
