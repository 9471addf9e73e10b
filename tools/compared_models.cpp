#include "tools/compared_models.h"

#include <algorithm>

namespace vitro {

OpenModel open_side(const ModelSpec& spec, std::int64_t tokens, std::int64_t predict) {
    ModelFlags flags = spec.model;
    const ModelConfig config = read_model_config(flags.directory);
    if (flags.context == 0) flags.context = std::min(config.max_positions, tokens + predict + 1);
    return open_model(flags, {.chunk = tokens, .all_logits = true, .passes = spec.passes});
}

std::size_t run_both(Comparison& comparison, std::int64_t vocab_size, std::vector<std::int32_t>& tokens,
                     std::int64_t predict) {
    std::span<const float> logits = comparison.step(tokens);
    std::size_t steps = 1;
    for (std::int64_t i = 0; i < predict && !logits.empty(); ++i, ++steps) {
        const auto last = logits.last(static_cast<std::size_t>(vocab_size));
        const auto next = static_cast<std::int32_t>(std::max_element(last.begin(), last.end()) - last.begin());
        tokens.push_back(next);
        logits = comparison.step({&next, 1});
    }
    return steps;
}

}  // namespace vitro
