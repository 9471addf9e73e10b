#include "tools/plan_drawing.h"

#include "graph/dump/markup.h"
#include "tools/ticks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace vitro {
namespace {

constexpr double kWidth = 1200, kHeight = 620, kLeft = 84, kRight = 16, kTop = 40, kBottom = 104;
constexpr std::size_t kLegendColumns = 4, kLegendRows = 3;

/// Colours of the kinds of blocks in the order they appear, again and again; scratch is grey.
constexpr std::string_view kFills[] = {"#8ecae6", "#ffd166", "#b5e48c", "#f4a6b8", "#cdb4db",
                                       "#f2b880", "#90be6d", "#a3b1e6", "#e5989b", "#76c7c0"};
constexpr std::string_view kScratchFill = "#c9ccd1";

/// What a block is in every layer: its first value's path with a star for each number, without what is above the layer.
std::string kind_of(const Program& program, const Block& block) {
    if (block.values.empty()) return "scratch";
    std::string kind;
    for (const char c : program.graph.value(block.values[0]).path) {
        const bool is_digit = c >= '0' && c <= '9';
        if (!is_digit)
            kind += c;
        else if (kind.empty() || kind.back() != '*')
            kind += '*';
    }
    const std::size_t layer = kind.find(".*.");
    return layer == std::string::npos ? kind : kind.substr(layer + 3);
}

/// The kinds of a device's blocks with their colours.
std::vector<std::pair<std::string, std::string_view>> legend_of(const Program& program, std::size_t device) {
    std::vector<std::pair<std::string, std::string_view>> legend;
    std::size_t next = 0;
    for (const Block& block : program.plan.blocks) {
        if (block.place.device != device || block.place.bytes == 0) continue;
        std::string kind = kind_of(program, block);
        if (std::any_of(legend.begin(), legend.end(), [&](const auto& entry) { return entry.first == kind; })) continue;
        const bool is_scratch = block.values.empty();
        legend.emplace_back(std::move(kind), is_scratch ? kScratchFill : kFills[next++ % std::size(kFills)]);
    }
    return legend;
}

/// The distance of about `count` ticks, a power of two: 64 KiB, not 66.7.
std::size_t tick_of_bytes(std::size_t bytes, std::size_t count) {
    std::size_t tick = 1;
    while (bytes / tick > count) tick *= 2;
    return tick;
}

std::string node_text(const Program& program, NodeId id) { return describe(program.graph, program.graph.node(id)); }

}  // namespace

Peak peak_of(const Program& program, std::size_t device) {
    std::vector<std::ptrdiff_t> change(program.graph.nodes.size() + 1);
    for (const Block& block : program.plan.blocks) {
        if (block.place.device != device) continue;
        change[static_cast<std::size_t>(block.first)] += static_cast<std::ptrdiff_t>(block.place.bytes);
        change[static_cast<std::size_t>(block.last) + 1] -= static_cast<std::ptrdiff_t>(block.place.bytes);
    }
    Peak peak;
    std::ptrdiff_t live = 0;
    for (std::size_t n = 0; n < program.graph.nodes.size(); ++n) {
        live += change[n];
        if (static_cast<std::size_t>(live) <= peak.bytes) continue;
        peak.bytes = static_cast<std::size_t>(live);
        peak.node = static_cast<NodeId>(n);
    }
    for (const Block& block : program.plan.blocks)
        if (block.place.device == device && block.first <= peak.node && peak.node <= block.last)
            peak.blocks.push_back(&block);
    std::stable_sort(peak.blocks.begin(), peak.blocks.end(),
                     [](const Block* a, const Block* b) { return a->place.bytes > b->place.bytes; });
    return peak;
}

std::string contents_of(const Program& program, const Block& block) {
    if (block.values.empty())
        return "scratch of " + program.graph.value(program.graph.node(block.first).outputs[0]).path;
    std::string text;
    for (const ValueId id : block.values) text += (text.empty() ? "" : ", ") + program.graph.value(id).path;
    return text;
}

std::string readable_bytes(std::size_t bytes) {
    static constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    auto size = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; size >= 1024 && unit + 1 < std::size(kUnits); ++unit) size /= 1024;
    if (bytes % (std::size_t{1} << (10 * unit)) == 0) return fmt::format("{} {}", size, kUnits[unit]);
    return fmt::format("{:.{}f} {}", size, size < 10 ? 2 : 1, kUnits[unit]);
}

std::string arena_svg(const Program& program, std::size_t device, std::string_view title) {
    const DevicePlan& plan = program.plan.devices[device];
    const std::size_t arena = plan.bytes(Region::arena), nodes = program.graph.nodes.size();
    const double x_scale = (kWidth - kLeft - kRight) / static_cast<double>(std::max<std::size_t>(nodes, 1));
    const double y_scale = (kHeight - kTop - kBottom) / static_cast<double>(std::max<std::size_t>(arena, 1));
    const auto x = [&](NodeId node) { return kLeft + static_cast<double>(node) * x_scale; };
    const auto y = [&](std::size_t offset) { return kHeight - kBottom - static_cast<double>(offset) * y_scale; };

    std::string out = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"12\">\n"
        "<style>.paper{{fill:#fff}}text{{fill:#1b2430}}.block{{stroke:#fff;stroke-width:0.6}}.grid{{stroke:#ddd}}"
        ".block:hover,.block:focus{{stroke:#000;stroke-width:1.8;outline:none}}.peak{{stroke:#b3261e}}"
        "@media(prefers-color-scheme:dark){{.paper{{fill:#12161d}}text{{fill:#e8edf4}}.block{{stroke:#12161d}}"
        ".grid{{stroke:#333d4b}}.block:hover,.block:focus{{stroke:#fff}}.peak{{stroke:#ff6b5e;stroke-width:1.4}}}}"
        "</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n<text x=\"{}\" y=\"22\" "
        "font-size=\"15\">{}</text>\n",
        kWidth, kHeight, kLeft, escaped(title));
    constexpr std::size_t kTicks = 6;
    const std::size_t bytes_tick = tick_of_bytes(arena, kTicks),
                      nodes_tick = std::max<std::size_t>(1, std::lround(tick_of(double(nodes), kTicks)));
    for (std::size_t offset = 0; offset <= arena; offset += bytes_tick)
        out += fmt::format(
            "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/>"
            "<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n",
            kLeft, kWidth - kRight, y(offset), y(offset), kLeft - 6, y(offset) + 4, readable_bytes(offset));
    for (std::size_t node = 0; node <= nodes; node += nodes_tick)
        out += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                           x(static_cast<NodeId>(node)), kHeight - kBottom + 18, node);
    out += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">node, in the order they run</text>\n",
                       (kLeft + kWidth - kRight) / 2, kHeight - kBottom + 30);
    const auto legend = legend_of(program, device);
    for (std::size_t i = 0; i < std::min(legend.size(), kLegendColumns * kLegendRows); ++i) {
        const double left = kLeft + static_cast<double>(i % kLegendColumns) * (kWidth - kLeft) / kLegendColumns;
        const double top = kHeight - kBottom + 46 + 18 * static_cast<double>(i / kLegendColumns);
        out += fmt::format(
            "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"11\" height=\"11\" fill=\"{}\"/><text x=\"{:.1f}\" "
            "y=\"{:.1f}\">{}</text>\n",
            left, top - 10, legend[i].second, left + 16, top, escaped(legend[i].first));
    }
    const auto fill_of = [&](const Block& block) {
        const std::string kind = kind_of(program, block);
        return std::find_if(legend.begin(), legend.end(), [&](const auto& entry) { return entry.first == kind; })
            ->second;
    };
    const Peak peak = peak_of(program, device);
    for (const Block& block : program.plan.blocks) {
        if (block.place.device != device || block.place.bytes == 0) continue;
        const bool in_peak = std::find(peak.blocks.begin(), peak.blocks.end(), &block) != peak.blocks.end();
        const std::size_t end = block.place.offset + block.place.bytes;
        out += fmt::format(
            "<rect class=\"block{}\" tabindex=\"0\" role=\"img\" x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" "
            "height=\"{:.2f}\" fill=\"{}\">"
            "<title>{}\n{} at [{}, {})\nfrom {} ({})\nto {} ({})</title></rect>\n",
            in_peak ? " peak" : "", x(block.first), y(end), static_cast<double>(block.last - block.first + 1) * x_scale,
            static_cast<double>(block.place.bytes) * y_scale, fill_of(block), escaped(contents_of(program, block)),
            readable_bytes(block.place.bytes), block.place.offset, end, block.first,
            escaped(node_text(program, block.first)), block.last, escaped(node_text(program, block.last)));
    }
    return out + "</svg>\n";
}

std::string stacked(const std::vector<std::string>& pictures) {
    constexpr std::string_view kBegin = "<svg ";
    std::string out = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\">\n", kWidth,
                                  kHeight * static_cast<double>(pictures.size()));
    for (std::size_t i = 0; i < pictures.size(); ++i)
        out += fmt::format("{}y=\"{}\" width=\"{}\" height=\"{}\" {}", kBegin, kHeight * static_cast<double>(i), kWidth,
                           kHeight, std::string_view(pictures[i]).substr(kBegin.size()));
    return out + "</svg>\n";
}

}  // namespace vitro
