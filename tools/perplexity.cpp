// vitro perplexity: how well a model predicts a text, and how near it is to another model, or to itself in another
// type.
#include "base/json_text.h"
#include "runtime/text_score.h"
#include "tools/common.h"

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace vitro {
namespace {

constexpr std::int64_t kWindow = 512;

struct Flags {
    ModelFlags model;
    TokensFlags text;
    std::optional<std::int64_t> window;
    std::string against;
    bool json = false;
};

/// The flags of the model that --against names: a directory or file, or the same model in another way.
ModelFlags other_model(const Flags& flags) {
    ModelFlags other = flags.model;
    if (flags.against == "exact") {
        other.exact = true;
    } else if (std::ranges::find(kWeightsChoices, flags.against) != kWeightsChoices.end()) {
        other.weights = flags.against;
    } else {
        other.directory = flags.against;
        other.weights = "stored";
    }
    return other;
}

/// e^mean and its error, to first order.
Mean perplexity(const Mean& loss) { return {std::exp(loss.value), std::exp(loss.value) * loss.error}; }

void print_json(const TextScore& score, std::size_t tokens) {
    using Json = nlohmann::ordered_json;
    const auto mean = [](const Mean& of) { return Json{{"value", of.value}, {"error", of.error}}; };
    Json out{{"tokens", tokens},
             {"windows", score.windows},
             {"scored", score.scored},
             {"loss", mean(score.loss)},
             {"perplexity", mean(perplexity(score.loss))}};
    if (const auto& other = score.agreement)
        out["against"] = {{"perplexity", mean(perplexity(other->other_loss))},
                          {"kl_divergence", mean(other->divergence)},
                          {"largest_kl_divergence", other->most},
                          {"same_best_token", other->same_best}};
    print_out("{}\n", json_text(out, 2));
}

void print_text(const TextScore& score, const Flags& flags, std::size_t tokens) {
    const auto line = [](std::string_view what, const std::string& text) { print_out("{:<24} {}\n", what, text); };
    const auto of = [](const Mean& mean) { return fmt::format("{:.5g} ± {:.2g}", mean.value, mean.error); };
    line("text", fmt::format("{} tokens, {} windows, {} tokens predicted", tokens, score.windows, score.scored));
    line("perplexity", of(perplexity(score.loss)));
    if (!score.agreement) return;
    const Agreement& other = *score.agreement;
    line("perplexity of " + flags.against, of(perplexity(other.other_loss)));
    line("KL divergence", fmt::format("{}, at most {:.3g} nats", of(other.divergence), other.most));
    line("same most probable token", fmt::format("{:.2f}%", 100 * other.same_best));
}

void run(const Flags& flags) {
    const auto tokens = read_tokens(flags.model, flags.text);
    const OpenModel open = open_model(flags.model, {.all_logits = true});
    std::optional<OpenModel> other;
    if (!flags.against.empty()) other = open_model(other_model(flags), {.all_logits = true});
    LanguageModel* const second = other ? other->model.get() : nullptr;
    const std::int64_t context = std::min(open.model->context(), second ? second->context() : open.model->context());
    const auto progress = [&](std::int64_t done) {
        if (isatty(STDERR_FILENO) != 0) print_err("\r{:>3}%\r", 100 * done / std::ssize(tokens));
    };
    const std::int64_t window = flags.window.value_or(std::min(kWindow, context));
    if (window > context)
        fail("--window: expected at most {} tokens, which the context has room for, found {}", context, window);
    const TextScore score = score_text(*open.model, second, tokens, window, progress);
    flags.json ? print_json(score, tokens.size()) : print_text(score, flags, tokens.size());
}

}  // namespace

void add_perplexity(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command = line.add(
        "perplexity",
        "measure how well a model predicts a text: its perplexity, exp(mean(-log(probability of each token)))\n"
        "The text is cut into windows; in each, every token of the second half is predicted from all tokens before "
        "it.\n"
        "Example: vitro perplexity -f text.txt --weights q4_0 --against stored",
        [flags] {
            run(*flags);
            return 0;
        });
    add_model_flags(command, flags->model);
    add_tokens_flags(command, flags->text);
    command.number("--window", flags->window, {2}, "tokens per window (default 512, or the context if that is smaller)",
                   "N");
    command.option(
        "--against", flags->against,
        "compare with another model (a directory or file), or with the same model with other weights (a value "
        "of --weights) or with activations that are not rounded (exact)",
        "MODEL|TYPE");
    command.flag("--json", flags->json, "print JSON");
}

}  // namespace vitro
