// What the subcommands share that look into a run: a text, and the steps that it takes.
#pragma once

#include "tools/common.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vitro {

struct LookFlags {
    ModelFlags model;
    std::string prompt;
    std::vector<std::int32_t> tokens;     // in place of a prompt
    std::optional<std::int64_t> predict;  // tokens to generate after it, the most probable ones
    std::int64_t usual_predict = 0;       // where that is not given, by a language model
};
/// The flags of a model that runs, -p and --tokens.
void add_look_flags(const Command& command, LookFlags& flags);

/// How many tokens `model` is to generate: as many as asked, which is a UsageError for what is no language model; if
/// nothing was, a language model's `usual`.
std::int64_t tokens_to_predict(const ModelFlags& model, std::optional<std::int64_t> asked, std::int64_t usual);

/// A model and the tokens of a text, which one prefill step takes whole.
struct Looked {
    OpenModel open;
    std::optional<Tokenizer> tokenizer;
    std::vector<std::int32_t> tokens;  // of the prompt, then of what is generated
    std::int64_t predict = 0;

    /// The piece of the token at a position; its id where there is no tokenizer.
    std::string piece(std::int64_t position) const;
    /// The piece of a token; its id where there is no tokenizer.
    std::string text(std::int32_t id) const;
    /// Makes the steps: the prompt's, then one for each generated token but the last. `after` is told the phase, the
    /// position of the first token of the step and their number.
    void run(const std::function<void(Phase phase, std::int64_t first, std::int64_t count)>& after);
    /// The same steps, each made by `make`, which gives its logits, or none to stop there.
    void run_by(const std::function<std::span<const float>(const StepPart& part)>& make);
    /// Logits after the last step.
    std::span<const float> logits() const { return logits_; }

private:
    std::span<const float> logits_;
};
Looked open_to_look(const LookFlags& flags, bool needs_text = true);

}  // namespace vitro
