#include "tools/bench_cache.h"

#include "graph/dump/markup.h"
#include "runtime/append.h"
#include "tools/ticks.h"

#include <algorithm>
#include <chrono>
#include <numeric>

namespace vitro {
std::vector<double> seconds_of_tokens(LanguageModel& model, std::vector<std::int32_t> tokens, std::int64_t count,
                                      bool use_cache) {
    using Clock = std::chrono::steady_clock;
    std::vector<double> seconds;
    model.truncate(0, 0);
    for (std::int64_t i = 0; i < count; ++i) {
        const auto start = Clock::now();
        if (!use_cache) model.truncate(0, 0);
        const auto cached = model.tokens(0).size();
        const PartResult next =
            append(model, {.tokens = std::span<const std::int32_t>(tokens).subspan(cached), .want = Want::token});
        tokens.push_back(next.tokens.front());
        seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
    return seconds;
}

std::string cache_plot_svg(const std::string& model, std::int64_t prompt, const std::vector<CacheCurve>& curves) {
    constexpr double kWidth = 860, kHeight = 480, kLeft = 84, kRight = 20, kTop = 44, kBottom = 56;
    double most_seconds = 1e-9, most_tokens = 1;
    for (const CacheCurve& curve : curves) {
        most_seconds =
            std::max(most_seconds, std::accumulate(curve.token_seconds.begin(), curve.token_seconds.end(), 0.0));
        most_tokens = std::max(most_tokens, static_cast<double>(curve.token_seconds.size()));
    }
    const auto x = [&](double token) { return kLeft + token / most_tokens * (kWidth - kLeft - kRight); };
    const auto y = [&](double seconds) {
        return kHeight - kBottom - seconds / most_seconds * (kHeight - kTop - kBottom);
    };
    std::string out = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" "
        "font-size=\"12\" fill=\"#1b2430\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n"
        "<text x=\"{2}\" y=\"22\" font-size=\"15\">{3}: time until each token after a prompt of {4}</text>\n",
        kWidth, kHeight, kLeft, escaped(model), prompt);
    const double seconds_tick = tick_of(most_seconds, 6), tokens_tick = std::max(1.0, tick_of(most_tokens, 8));
    for (double at = 0; at <= most_seconds; at += seconds_tick)
        out += fmt::format(
            "<line x1=\"{1}\" x2=\"{2}\" y1=\"{0:.1f}\" y2=\"{0:.1f}\" stroke=\"#e3e7ec\"/><text x=\"{3}\" "
            "y=\"{4:.1f}\" text-anchor=\"end\">{5:.4g} ms</text>\n",
            y(at), kLeft, kWidth - kRight, kLeft - 6, y(at) + 4, 1e3 * at);
    for (double at = 0; at <= most_tokens; at += tokens_tick)
        out += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:g}</text>\n", x(at),
                           kHeight - kBottom + 18, at);
    out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">tokens generated</text>\n",
                       (kLeft + kWidth - kRight) / 2, kHeight - kBottom + 38);
    for (const CacheCurve& curve : curves) {
        const std::string_view colour = curve.use_cache ? "#2f6db3" : "#c0395b";
        std::string points = fmt::format("{:.1f},{:.1f}", x(0), y(0));
        double sum = 0, token = 0;
        for (const double seconds : curve.token_seconds)
            points += fmt::format(" {:.1f},{:.1f}", x(token += 1), y(sum += seconds));
        out += fmt::format(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n<text x=\"{:.1f}\" y=\"{:.1f}\" "
            "text-anchor=\"end\" fill=\"{}\">{} the KV cache: {:.4g} ms</text>\n",
            points, colour, x(token) - 4, std::max(kTop + 12, y(sum) - 8), colour, curve.use_cache ? "with" : "without",
            1e3 * sum);
    }
    return out + "</svg>\n";
}

}  // namespace vitro
