// Generating token by token with and without the KV cache, timed and drawn.
#pragma once

#include "runtime/language_model.h"

#include <string>
#include <vector>

namespace vitro {

/// Seconds of each of `count` tokens after a prompt, of sequence 0, which is emptied first.
std::vector<double> seconds_of_tokens(LanguageModel& model, std::vector<std::int32_t> prompt, std::int64_t count,
                                      bool use_cache);

struct CacheCurve {
    bool use_cache = true;
    std::vector<double> token_seconds;
};
/// The time from the beginning to each token over its position, a line for each curve, as SVG: with the cache a line,
/// without it a parabola.
std::string cache_plot_svg(const std::string& model, std::int64_t prompt, const std::vector<CacheCurve>& curves);

}  // namespace vitro
