#include "tools/look.h"

#include "runtime/append.h"
#include "runtime/expect.h"

#include <algorithm>

namespace vitro {

void add_look_flags(const Command& command, LookFlags& flags) {
    add_model_flags(command, flags.model);
    command.option("-p,--prompt", flags.prompt, "the text to look at", "TEXT")
        .excludes(
            command.list("--tokens", flags.tokens, "token ids instead of a text; no tokenizer is needed", "1,2,3"));
}

std::int64_t tokens_to_predict(const ModelFlags& model, std::optional<std::int64_t> asked, std::int64_t usual) {
    const std::int64_t wanted = asked.value_or(usual);
    if (wanted == 0) return 0;
    const ModelConfig config = read_model_config(model.directory);
    if (is_language_model(config)) return wanted;
    if (asked)
        fail_usage("--predict: expected 0 for {}, which generates no text, found {}", config.architecture, wanted);
    return 0;
}

Looked open_to_look(const LookFlags& flags, bool needs_text) {
    if (needs_text && flags.tokens.empty() && flags.prompt.empty())
        fail_usage("expected a text behind -p, or --tokens, found neither");
    Looked look;
    if (flags.tokens.empty() && !flags.prompt.empty()) {
        look.tokenizer = open_tokenizer(flags.model);
        look.tokens = look.tokenizer->encode(flags.prompt);
    } else {
        look.tokens = flags.tokens;
    }
    if (needs_text && look.tokens.empty()) fail("the text has no tokens: expected at least one");
    look.predict = tokens_to_predict(flags.model, flags.predict, flags.usual_predict);
    look.open = open_model(flags.model, {.chunk = std::max<std::int64_t>(std::ssize(look.tokens), 1) + look.predict});
    return look;
}

std::string Looked::piece(std::int64_t position) const { return text(tokens[static_cast<std::size_t>(position)]); }

std::string Looked::text(std::int32_t id) const {
    return tokenizer ? std::string(tokenizer->piece(id)) : fmt::format("{}", id);
}

void Looked::run(const std::function<void(Phase phase, std::int64_t first, std::int64_t count)>& after) {
    run_by([&](const StepPart& part) {
        const std::int64_t first = std::ssize(open.model->tokens(part.sequence)), count = std::ssize(part.tokens);
        const auto logits = append(*open.model, part).values;
        after(count > 1 ? Phase::prefill : Phase::decode, first, count);
        return logits;
    });
}

void Looked::run_by(const std::function<std::span<const float>(const StepPart& part)>& make) {
    const std::int64_t prompt = std::ssize(tokens);
    logits_ = make({.tokens = tokens, .want = usual_result(open.config)});
    for (std::int64_t i = 0; i < predict && !logits_.empty(); ++i) {
        const auto best = std::max_element(logits_.begin(), logits_.end()) - logits_.begin();
        tokens.push_back(static_cast<std::int32_t>(best));
        if (i + 1 < predict) logits_ = make({.tokens = std::span(tokens).subspan(std::size_t(prompt + i), 1)});
    }
}

}  // namespace vitro
