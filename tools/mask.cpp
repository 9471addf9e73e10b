// vitro mask: which tokens see which, drawn: of a model's layers, or of a pattern by its name.
#include "base/json_text.h"
#include "graph/dump/markup.h"
#include "models/layer_visibility.h"
#include "tools/common.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <numeric>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
    ModelFlags model;
    std::string pattern = "model";
    std::int64_t window = 8, stride = 8, summary = 1;
    std::vector<std::int32_t> lengths;  // of texts that share the step; one of 32 where none is given
    std::filesystem::path svg;
    bool json = false;
};

struct Mask {
    std::string title;
    Visibility visibility;
    std::vector<std::int64_t> layers;  // none of a pattern by its name
};

std::string title_of(const Visibility& visibility) {
    std::string out = visibility.is_range() ? (visibility.window > 0 ? "sliding" : "full")
                      : visibility.summary > 0
                          ? fmt::format("fixed, stride {}, summary {}", visibility.stride, visibility.summary)
                          : fmt::format("strided, stride {}", visibility.stride);
    if (visibility.window > 0) out += fmt::format(", window {}", visibility.window);
    return out + (visibility.causal ? "" : ", both ways");
}

/// "layers 0-2, 4" of 0, 1, 2, 4.
std::string layers_text(const std::vector<std::int64_t>& layers) {
    std::string out;
    for (std::size_t i = 0; i < layers.size();) {
        std::size_t last = i;
        while (last + 1 < layers.size() && layers[last + 1] == layers[last] + 1) ++last;
        out += (i == 0 ? "" : ", ") +
               (last == i ? fmt::format("{}", layers[i]) : fmt::format("{}-{}", layers[i], layers[last]));
        i = last + 1;
    }
    return (layers.size() == 1 ? "layer " : "layers ") + out;
}

std::vector<Mask> masks_of(const Flags& flags) {
    if (flags.pattern != "model") {
        Visibility visibility;
        if (flags.pattern == "both-ways") visibility.causal = false;
        if (flags.pattern == "sliding") visibility.window = flags.window;
        if (flags.pattern == "strided" || flags.pattern == "fixed") visibility.stride = flags.stride;
        if (flags.pattern == "fixed") visibility.summary = std::min(flags.summary, flags.stride);
        return {{title_of(visibility), visibility, {}}};
    }
    const ModelConfig config = read_model_config(flags.model.directory);
    std::vector<Mask> masks;
    for (std::int64_t layer = 0; layer < config.n_layers; ++layer) {
        const Visibility visibility = visibility_of(config, config.layers[static_cast<std::size_t>(layer)]);
        auto at = std::find_if(masks.begin(), masks.end(), [&](const Mask& m) { return m.visibility == visibility; });
        if (at == masks.end()) at = masks.insert(at, {{}, visibility, {}});
        at->layers.push_back(layer);
    }
    for (Mask& mask : masks) mask.title = fmt::format("{}: {}", layers_text(mask.layers), title_of(mask.visibility));
    return masks;
}

/// Calls cell(row, column, whether it is seen) for all tokens of all texts, which stand one after the other.
template <class Cell>
void each_cell(const Mask& mask, std::span<const std::int32_t> lengths, Cell&& cell) {
    std::int64_t row = 0, row_text = 0;
    for (const std::int32_t own : lengths) {
        for (std::int64_t position = 0; position < own; ++position, ++row) {
            const Range range = mask.visibility.range(position, own);
            std::int64_t column = 0, column_text = 0;
            for (const std::int32_t other : lengths) {
                for (std::int64_t key = 0; key < other; ++key)
                    cell(row, column++,
                         column_text == row_text && key >= range.begin && key < range.end &&
                             mask.visibility.sees(position, key));
                ++column_text;
            }
        }
        ++row_text;
    }
}

std::string text_of(const Mask& mask, std::span<const std::int32_t> lengths) {
    const std::int64_t count = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
    std::string out = mask.title + "\n";
    each_cell(mask, lengths, [&](std::int64_t, std::int64_t column, bool is_seen) {
        out += is_seen ? "█" : "·";
        if (column + 1 == count) out += "\n";
    });
    return out;
}

std::string svg_of(const std::vector<Mask>& masks, std::span<const std::int32_t> lengths) {
    constexpr std::int64_t kCell = 10, kGap = 30;
    const std::int64_t side = kCell * std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
    std::string body;
    std::int64_t top = kGap;
    for (const Mask& mask : masks) {
        body += fmt::format("<text x=\"{}\" y=\"{}\">{}</text>\n", kGap, top - 8, escaped(mask.title));
        each_cell(mask, lengths, [&](std::int64_t row, std::int64_t column, bool is_seen) {
            body += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>\n",
                                kGap + column * kCell, top + row * kCell, kCell - 1, kCell - 1,
                                !is_seen        ? "#eceff3"
                                : row == column ? "#1f4e9c"
                                                : "#7fa3dc");
        });
        top += side + kGap;
    }
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" "
        "font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{}</svg>\n",
        std::max<std::int64_t>(side, 300) + 2 * kGap, top, body);
}

Json json_of(const std::vector<Mask>& masks, std::span<const std::int32_t> lengths) {
    Json all = Json::array();
    for (const Mask& mask : masks) {
        Json rows = Json::array();
        each_cell(mask, lengths, [&](std::int64_t row, std::int64_t column, bool is_seen) {
            if (column == 0) rows.push_back(Json::array());
            if (is_seen) rows[static_cast<std::size_t>(row)].push_back(column);
        });
        all.push_back({{"title", mask.title}, {"layers", mask.layers}, {"sees", rows}});
    }
    return all;
}

void mask(const Flags& flags) {
    constexpr std::int64_t kMost = 1024;  // a picture of more would be looked at by nobody
    std::vector<std::int32_t> lengths = flags.lengths;
    if (lengths.empty()) lengths.push_back(32);
    std::int64_t count = 0;
    for (const std::int32_t length : lengths) {
        if (length < 1 || length > kMost) fail_usage("--lengths: expected each in [1, {}], found {}", kMost, length);
        count += length;
    }
    if (count > kMost) fail_usage("--lengths: expected at most {} tokens together, found {}", kMost, count);
    const std::vector<Mask> masks = masks_of(flags);
    if (!flags.svg.empty()) return print_or_write(svg_of(masks, lengths), flags.svg);
    if (flags.json) return print_out("{}\n", json_text(json_of(masks, lengths)));
    for (std::size_t i = 0; i < masks.size(); ++i) print_out("{}{}", i == 0 ? "" : "\n", text_of(masks[i], lengths));
}

}  // namespace

void add_mask(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command =
        line.add("mask",
                 "draw which tokens see which: a row for each token, filled where it sees a column's; "
                 "needs no weights\nExample: vitro mask --pattern strided --stride 6",
                 [flags] {
                     mask(*flags);
                     return 0;
                 });
    add_model_flags(command, flags->model, false);
    command.choice("--pattern", flags->pattern, {"model", "full", "both-ways", "sliding", "strided", "fixed"},
                   "the masks of a model's layers (the default), or one by its name");
    command.number("--window", flags->window, {1, 1 << 20}, "of sliding (default 8)");
    command.number("--stride", flags->stride, {1, 1 << 20}, "of strided and fixed (default 8)");
    command.number("--summary", flags->summary, {1, 1 << 20}, "of fixed: the last so many of each block (default 1)");
    command.list("--lengths", flags->lengths, "tokens of the texts that share the step (default 32)", "N,N");
    command.output("--svg", flags->svg, "draw into an SVG file");
    command.flag("--json", flags->json, "print JSON: of each token the numbers of those that it sees");
}

}  // namespace vitro
