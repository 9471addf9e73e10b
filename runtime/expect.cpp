#include "runtime/expect.h"

#include "base/error.h"

namespace vitro {

void expect_language_model(const ModelConfig& config) {
    const char* const gives = config.head == Head::none             ? "gives hidden states"
                              : config.head != Head::language_model ? "gives scores of labels"
                              : !config.is_causal                   ? "sees a text as a whole, and has no next token"
                                                                    : nullptr;
    if (gives != nullptr) fail("{}: expected a language model: this one {}", config.architecture, gives);
}

}  // namespace vitro
