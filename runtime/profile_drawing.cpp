#include "runtime/profile_drawing.h"

#include "graph/dump/markup.h"
#include "graph/dump/subject.h"

#include <algorithm>
#include <cmath>

namespace vitro {
namespace {

constexpr std::string_view kFills[] = {"#2f6db3", "#e08a1e", "#3c9d58", "#c0395b", "#7c57b5",
                                       "#b0672a", "#5b8f22", "#4a63c9", "#a23b72", "#1f8f8a"};

/// A colour for each op of a phase, in the order in which they first run.
std::map<std::string, std::string_view> fills_of(const std::vector<ProfiledStep>& steps) {
    std::map<std::string, std::string_view> fills;
    for (const ProfiledStep& step : steps) fills.try_emplace(step.op, kFills[fills.size() % std::size(kFills)]);
    return fills;
}

std::string begin_svg(double width, double height) {
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" "
        "font-size=\"12\" fill=\"#1b2430\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n",
        width, height);
}

std::string legend(const std::map<std::string, std::string_view>& fills, double x, double y) {
    std::string out;
    for (const auto& [op, fill] : fills) {
        out += fmt::format(
            "<rect x=\"{:.0f}\" y=\"{:.0f}\" width=\"11\" height=\"11\" fill=\"{}\"/><text x=\"{:.0f}\" "
            "y=\"{:.0f}\">{}</text>\n",
            x, y - 10, fill, x + 16, y, escaped(op));
        x += 34 + 7.2 * static_cast<double>(op.size());
    }
    return out;
}

std::string rates(const ProfileRow& row) {
    return fmt::format("{} {:.1f} µs, {:.1f} GB/s, {:.1f} GFLOP/s, {}", row.name,
                       1e6 * row.seconds / static_cast<double>(std::max<std::int64_t>(1, row.calls)),
                       row.bytes_per_second() / 1e9, row.flops_per_second() / 1e9, row.of_peak_text());
}

/// Whole powers of ten around some numbers.
struct Decades {
    int first = 0, last = 1;

    explicit Decades(const std::vector<double>& numbers) {
        first = static_cast<int>(std::floor(std::log10(*std::min_element(numbers.begin(), numbers.end()))));
        last = static_cast<int>(std::ceil(std::log10(*std::max_element(numbers.begin(), numbers.end()))));
        last = std::max(last, first + 1);
    }
    /// 0 at the beginning, 1 at the end.
    double share(double x) const { return (std::log10(x) - first) / (last - first); }
};

std::string power_text(int power) {
    static constexpr std::string_view kUnits[] = {"", "k", "M", "G", "T", "P"};
    if (power < 0) return fmt::format("{:g}", std::pow(10, power));
    const int unit = std::min(power / 3, 5);
    return fmt::format("{:g}{}", std::pow(10, power - 3 * unit), kUnits[unit]);
}

}  // namespace

std::string roofline_svg(const Profile& profile, Phase phase, const std::string& device,
                         const std::map<std::string, Peaks>& all_peaks) {
    constexpr double kWidth = 900, kHeight = 520, kLeft = 70, kRight = 20, kTop = 20, kBottom = 80;
    const Peaks& peaks = all_peaks.at(device);
    std::vector<ProfileRow> rows = rows_of(profile, phase, ProfileBy::path, all_peaks);
    std::erase_if(rows, [&](const ProfileRow& row) {
        return row.device != device || row.cost.flops == 0 || row.cost.bytes == 0 || row.seconds <= 0;
    });
    const auto intensity = [](const ProfileRow& row) {
        return static_cast<double>(row.cost.flops) / static_cast<double>(row.cost.bytes);
    };
    const double most_flops = std::max({peaks.flops_per_second, peaks.bf16_per_second, peaks.integer_per_second});
    const double ridge = peaks.flops_per_second / peaks.bytes_per_second;
    std::vector<double> x_numbers{ridge / 10, 10 * ridge}, y_numbers{most_flops};
    double total = 0;
    for (const ProfileRow& row : rows) {
        x_numbers.push_back(intensity(row));
        y_numbers.push_back(row.flops_per_second());
        total += row.seconds;
    }
    const Decades across(x_numbers), up(y_numbers);
    const auto x = [&](double value) { return kLeft + across.share(value) * (kWidth - kLeft - kRight); };
    const auto y = [&](double value) {
        return kHeight - kBottom - std::min(1.0, std::max(0.0, up.share(value))) * (kHeight - kTop - kBottom);
    };
    std::string out = begin_svg(kWidth, kHeight);
    for (int power = across.first; power <= across.last; ++power)
        out += fmt::format(
            "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\" stroke=\"#e3e7ec\"/><text x=\"{0:.1f}\" "
            "y=\"{3}\" text-anchor=\"middle\">{4}</text>\n",
            x(std::pow(10, power)), kTop, kHeight - kBottom, kHeight - kBottom + 18, power_text(power));
    for (int power = up.first; power <= up.last; ++power)
        out += fmt::format(
            "<line x1=\"{1}\" x2=\"{2}\" y1=\"{0:.1f}\" y2=\"{0:.1f}\" stroke=\"#e3e7ec\"/><text x=\"{3}\" "
            "y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>\n",
            y(std::pow(10, power)), kLeft, kWidth - kRight, kLeft - 6, y(std::pow(10, power)) + 4, power_text(power));
    out += fmt::format(
        "<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"middle\">operations for each byte moved</text>\n"
        "<text x=\"14\" y=\"{:.0f}\" text-anchor=\"middle\" transform=\"rotate(-90 14 {:.0f})\">operations a "
        "second</text>\n",
        (kLeft + kWidth - kRight) / 2, kHeight - kBottom + 36, (kTop + kHeight - kBottom) / 2,
        (kTop + kHeight - kBottom) / 2);
    const auto roof = [&](double peak, std::string_view what) {
        const double lowest = std::pow(10, across.first), highest = std::pow(10, across.last);
        std::string points;
        for (const double at : {lowest, std::max(lowest, std::pow(10, up.first) / peaks.bytes_per_second),
                                peak / peaks.bytes_per_second, highest})
            points += fmt::format("{:.1f},{:.1f} ", x(at), y(std::min(peak, at * peaks.bytes_per_second)));
        return fmt::format(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"#1b2430\" stroke-width=\"1.5\"/><text x=\"{:.1f}\" "
            "y=\"{:.1f}\" text-anchor=\"end\">{:.0f} G a second, {}</text>\n",
            points, kWidth - kRight - 4, y(peak) - 5, peak / 1e9, escaped(what));
    };
    out += roof(peaks.flops_per_second, peaks.flops_of);
    if (peaks.bf16_per_second > 0) out += roof(peaks.bf16_per_second, "bf16");
    if (peaks.integer_per_second > 0) out += roof(peaks.integer_per_second, "8-bit numbers");
    const auto fills = fills_of(profile.steps(phase));
    for (const ProfileRow& row : rows) {
        out += fmt::format(
            "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" fill=\"{}\" fill-opacity=\"0.7\"><title>{}</title>"
            "</circle>\n",
            x(intensity(row)), y(row.flops_per_second()), 3 + 22 * std::sqrt(row.seconds / total), fills.at(row.op),
            escaped(rates(row)));
    }
    return out + legend(fills, kLeft, kHeight - 14) + "</svg>\n";
}

std::string timeline_svg(const Profile& profile, const ProfiledRun& run) {
    constexpr double kWidth = 1200, kLeft = 110, kRight = 16, kTop = 16, kLane = 34;
    const std::vector<ProfiledStep>& steps = profile.steps(run.phase);
    std::vector<std::string> lanes{"host"};
    for (const ProfiledStep& step : steps)
        if (std::find(lanes.begin(), lanes.end(), step.device + " steps") == lanes.end())
            lanes.push_back(step.device + " steps");
    const double bottom = kTop + kLane * static_cast<double>(lanes.size()), height = bottom + 62;
    const double scale = (kWidth - kLeft - kRight) / std::max(run.seconds(), 1e-9);
    const auto x = [&](double seconds) { return kLeft + (seconds - run.begin) * scale; };
    std::string out = begin_svg(kWidth, height);
    for (std::size_t lane = 0; lane < lanes.size(); ++lane)
        out += fmt::format("<text x=\"{}\" y=\"{:.0f}\" text-anchor=\"end\">{}</text>\n", kLeft - 8,
                           kTop + kLane * static_cast<double>(lane) + 20, escaped(lanes[lane]));
    for (int i = 0; i <= 10; ++i) {
        const double seconds = run.seconds() * i / 10;
        out += fmt::format(
            "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\" stroke=\"#e3e7ec\"/><text x=\"{0:.1f}\" "
            "y=\"{3}\" text-anchor=\"middle\">{4:.1f} µs</text>\n",
            x(run.begin + seconds), kTop, bottom, bottom + 16, 1e6 * seconds);
    }
    const auto bar = [&](std::size_t lane, double begin, double end, std::string_view fill, const std::string& title) {
        out += fmt::format(
            "<rect x=\"{:.2f}\" y=\"{:.0f}\" width=\"{:.2f}\" height=\"{:.0f}\" fill=\"{}\" stroke=\"#fff\" "
            "stroke-width=\"0.3\"><title>{}</title></rect>\n",
            x(begin), kTop + kLane * static_cast<double>(lane) + 4, std::max(0.3, (end - begin) * scale), kLane - 8,
            fill, escaped(title));
    };
    const auto part = [&](std::string_view what, double begin, double end, std::string_view fill) {
        bar(0, begin, end, fill, fmt::format("{}: {:.1f} µs", what, 1e6 * (end - begin)));
    };
    if (!run.steps.empty()) {
        part("inputs", run.begin, run.program_begin, "#9aa5b1");
        part("program", run.program_begin, run.steps.back().end, "#d5dbe2");
        part("results", run.steps.back().end, run.end, "#9aa5b1");
    }
    const auto fills = fills_of(steps);
    for (std::size_t i = 0; i < run.steps.size(); ++i) {
        const auto lane = std::find(lanes.begin(), lanes.end(), steps[i].device + " steps") - lanes.begin();
        const ProfiledRun::Time& time = run.steps[i];
        bar(static_cast<std::size_t>(lane), time.begin, time.end, fills.at(steps[i].op),
            fmt::format("{} {}: {:.1f} µs, {}", steps[i].op, steps[i].path, 1e6 * (time.end - time.begin),
                        human(time.cost.bytes, "B")));
    }
    return out + legend(fills, kLeft, height - 14) + "</svg>\n";
}

}  // namespace vitro
