// What the subcommands share that run one text on two models: opening a side, and the steps of both.
#pragma once

#include "runtime/compare.h"
#include "tools/model_spec.h"

namespace vitro {

/// A side, with room for so many tokens, those that follow them, and no more, so that a copy of its KV cache is small.
OpenModel open_side(const ModelSpec& spec, std::int64_t tokens, std::int64_t predict);

/// The step of the text, then up to `predict` more: both go on with what side a would say, which is appended to
/// `tokens`. How many steps were made.
std::size_t run_both(Comparison& comparison, std::int64_t vocab_size, std::vector<std::int32_t>& tokens,
                     std::int64_t predict);

}  // namespace vitro
