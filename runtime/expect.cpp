#include "runtime/expect.h"

#include "base/error.h"

namespace vitro {

bool is_language_model(const ModelConfig& config) { return config.head == Head::language_model && config.is_causal; }

void expect_language_model(const ModelConfig& config) {
    if (is_language_model(config)) return;
    fail("{}: expected a language model: this one gives {}", config.architecture,
         config.head == Head::none             ? "hidden states"
         : config.head == Head::language_model ? "tokens for places in a text"
                                               : "scores of labels");
}

}  // namespace vitro
