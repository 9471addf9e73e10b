// vitro attend: which tokens each head of attention looks at.
#include "base/json_text.h"
#include "graph/dump/markup.h"
#include "graph/elements.h"
#include "runtime/model_taps.h"
#include "tools/common.h"
#include "tools/look.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
    LookFlags look;
    std::optional<std::int64_t> layer, head, token;
    std::filesystem::path svg;
    bool json = false;
};

/// The scores of one layer after the softmax, and how long the mixed value is.
struct Layer {
    std::string path;  // of the attention weights
    std::int64_t heads = 0, queries = 0, keys = 0;
    std::int64_t group = 1;       // heads that share keys and values
    std::int64_t window = 0;      // tokens that one sees at most; 0: all before it
    std::vector<double> weights;  // [heads, queries, keys]
    std::vector<double> norms;    // [heads, queries]: of the weighted sum of values

    double weight(std::int64_t head, std::int64_t query, std::int64_t key) const {
        return weights[static_cast<std::size_t>((head * queries + query) * keys + key)];
    }
    double norm(std::int64_t head, std::int64_t query) const {
        return norms[static_cast<std::size_t>(head * queries + query)];
    }
};

std::vector<double> elements_of(const Tensor& tensor) {
    std::vector<double> out(static_cast<std::size_t>(tensor.elements()));
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = element(tensor.dtype, static_cast<const std::byte*>(tensor.data), static_cast<std::int64_t>(i));
    return out;
}

/// Runs the text; all layers in order.
std::vector<Layer> layers_of(Looked& look) {
    const Phase phase = look.tokens.size() > 1 ? Phase::prefill : Phase::decode;
    ModelTaps taps(*look.open.model, phase);
    const std::string patterns[] = {"*.attention_weights", "*.attended"};
    taps.tap(patterns);
    look.run([](Phase, std::int64_t, std::int64_t) {});
    std::vector<Layer> layers;
    taps.read([&](const SeenValue& seen) {
        const std::vector<double> all = elements_of(seen.tensor);
        if (seen.path.ends_with(".attention_weights")) {
            layers.push_back({.path = seen.path,
                              .heads = seen.tensor.dim(0),
                              .queries = seen.tensor.dim(1),
                              .keys = seen.tensor.dim(2),
                              .weights = all});
            return;
        }
        const std::int64_t size = seen.tensor.dim(-1);
        for (std::size_t at = 0; at < all.size(); at += static_cast<std::size_t>(size)) {
            double squares = 0;
            for (std::int64_t i = 0; i < size; ++i) squares += std::pow(all[at + static_cast<std::size_t>(i)], 2);
            layers.back().norms.push_back(std::sqrt(squares));
        }
    });
    if (layers.empty()) fail("the model has no attention");
    const ModelConfig& config = look.open.config;
    for (std::size_t i = 0; i < std::min(layers.size(), config.layers.size()); ++i) {
        layers[i].group = config.n_heads / config.layers[i].n_kv_heads;
        layers[i].window = config.layers[i].sliding_window;
    }
    return layers;
}

void check_range(const char* flag, const std::optional<std::int64_t>& value, std::int64_t count) {
    if (value && *value >= count) fail_usage("{}: expected 0 to {}, found {}", flag, count - 1, *value);
}

/// A weight as a shade, on a terminal; blank is what the token does not see, such as what lies before its window.
std::string_view shade(double weight) {
    static constexpr std::string_view kShades[] = {"·", "░", "▒", "▓", "█"};
    if (weight == 0) return " ";
    return kShades[std::min<std::size_t>(static_cast<std::size_t>(std::max(0.0, weight * 5 - 0.1)), 4)];
}

/// "keys 1 (of heads 2-3), window 2047", where heads share keys or a token does not see all before it.
std::string sees_of(const Layer& layer, std::int64_t head) {
    std::string out;
    if (layer.group > 1) {
        const std::int64_t keys = head / layer.group;
        out += fmt::format(", keys {} (of heads {}-{})", keys, keys * layer.group, (keys + 1) * layer.group - 1);
    }
    if (layer.window > 0) out += fmt::format(", window {}", layer.window);
    return out;
}

/// How much all tokens but the first take from the first, on average: high where it is a sink, which takes what a head
/// has no use for (Xiao et al. 2023).
double sink_of(const Layer& layer, std::int64_t head) {
    double sum = 0;
    for (std::int64_t query = 1; query < layer.queries; ++query) sum += layer.weight(head, query, 0);
    return layer.queries > 1 ? sum / static_cast<double>(layer.queries - 1) : 0;
}

/// The heads that the flags choose, of each layer that they choose.
template <class F>
void each_head(const std::vector<Layer>& layers, const Flags& flags, F&& f) {
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
        if (flags.layer && *flags.layer != static_cast<std::int64_t>(layer)) continue;
        for (std::int64_t head = 0; head < layers[layer].heads; ++head)
            if (!flags.head || *flags.head == head) f(layer, head);
    }
}

/// One row for each head: how much the chosen token takes from each token.
void print_one_token(const std::vector<Layer>& layers, const Looked& look, const Flags& flags, std::int64_t token) {
    print_out("token {} '{}' takes from\n", token, look.piece(token));
    print_out("{:<12} {:>8}", "layer head", "norm");
    for (std::int64_t key = 0; key <= token; ++key)
        print_out(" {:>8.12}", look.piece(key));  // 12 characters, never half of one
    print_out("\n");
    each_head(layers, flags, [&](std::size_t layer, std::int64_t head) {
        print_out("{:>5} {:>4}   {:>8.4f}", layer, head, layers[layer].norm(head, token));
        for (std::int64_t key = 0; key <= token; ++key) {
            const double weight = layers[layer].weight(head, token, key);
            print_out(" {:>6.4f}{} ", weight, shade(weight));
        }
        print_out("\n");
    });
}

/// The whole square of each head: a row for each token, a column for each that it looks at.
void print_squares(const std::vector<Layer>& layers, const Looked& look, const Flags& flags) {
    each_head(layers, flags, [&](std::size_t layer, std::int64_t head) {
        const Layer& one = layers[layer];
        print_out("layer {}, head {}: {}{}; {:.0f}% goes to the first token\n", layer, head, one.path,
                  sees_of(one, head), 100 * sink_of(one, head));
        for (std::int64_t query = 0; query < one.queries; ++query) {
            std::string row;
            for (std::int64_t key = 0; key < one.keys; ++key) {
                const std::string_view mark = shade(one.weight(head, query, key));
                row += fmt::format("{0}{0}", mark);
            }
            print_out("  {:>4} {} {}\n", query, row, look.piece(query));
        }
    });
}

Json json_of(const std::vector<Layer>& layers, const Looked& look, const Flags& flags) {
    Json out{{"tokens", Json::array()}, {"heads", Json::array()}};
    for (std::int64_t i = 0; i < layers[0].queries; ++i)
        out["tokens"].push_back({{"id", look.tokens[static_cast<std::size_t>(i)]}, {"piece", look.piece(i)}});
    each_head(layers, flags, [&](std::size_t layer, std::int64_t head) {
        Json one{{"layer", layer},
                 {"head", head},
                 {"path", layers[layer].path},
                 {"key_head", head / layers[layer].group},
                 {"window", layers[layer].window},
                 {"to_first_token", sink_of(layers[layer], head)},
                 {"queries", Json::array()}};
        for (std::int64_t query = 0; query < layers[layer].queries; ++query) {
            if (flags.token && *flags.token != query) continue;
            Json weights = Json::array();
            for (std::int64_t key = 0; key < layers[layer].keys; ++key)
                weights.push_back(layers[layer].weight(head, query, key));
            one["queries"].push_back(
                {{"token", query}, {"norm", layers[layer].norm(head, query)}, {"weights", weights}});
        }
        out["heads"].push_back(std::move(one));
    });
    return out;
}

/// A heat map of each chosen head, side by side in rows of four.
std::string svg_of(const std::vector<Layer>& layers, const Looked& look, const Flags& flags) {
    const std::int64_t n = layers[0].queries, cell = 16, label = 110, gap = 48;
    const std::int64_t width = label + n * cell + gap, height = n * cell + gap;
    std::string body;
    std::int64_t count = 0;
    each_head(layers, flags, [&](std::size_t layer, std::int64_t head) {
        const std::int64_t x = count % 4 * width + label, y = count / 4 * height + gap;
        ++count;
        body += fmt::format("<text x=\"{}\" y=\"{}\" font-weight=\"bold\">layer {}, head {}</text>\n", x, y - 22, layer,
                            head);
        body += fmt::format("<text x=\"{}\" y=\"{}\" font-size=\"9\">{:.0f}% to the first token{}</text>\n", x, y - 8,
                            100 * sink_of(layers[layer], head), sees_of(layers[layer], head));
        for (std::int64_t query = 0; query < n; ++query) {
            body += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", x - 4, y + query * cell + 12,
                                escaped(look.piece(query)));
            for (std::int64_t key = 0; key < layers[layer].keys; ++key) {
                const double weight = layers[layer].weight(head, query, key);
                if (weight == 0) {
                    body += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"#eceff3\"/>\n",
                                        x + key * cell, y + query * cell, cell, cell);
                } else {
                    body += fmt::format(
                        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill-opacity=\"{:.3f}\"><title>{} looks at "
                        "{}: "
                        "{:.4f}</title></rect>\n",
                        x + key * cell, y + query * cell, cell, cell, weight, escaped(look.piece(query)),
                        escaped(look.piece(key)), weight);
                }
            }
            body += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#ccc\"/>\n",
                                x, y + query * cell, n * cell, cell);
        }
    });
    const std::int64_t rows = (count + 3) / 4;
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" "
        "font-size=\"11\" fill=\"#1f4e9c\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{}</svg>\n",
        std::min<std::int64_t>(count, 4) * width, rows * height + gap, body);
}

int attend(const Flags& flags) {
    Looked look = open_to_look(flags.look);
    const std::vector<Layer> layers = layers_of(look);
    check_range("--layer", flags.layer, std::ssize(layers));
    check_range("--head", flags.head, layers[0].heads);
    check_range("--token", flags.token, layers[0].queries);
    if (!flags.svg.empty()) print_or_write(svg_of(layers, look, flags), flags.svg);
    if (flags.json)
        print_out("{}\n", json_text(json_of(layers, look, flags)));
    else if (flags.svg.empty() && !flags.token && (flags.layer || flags.head))
        print_squares(layers, look, flags);
    else if (flags.svg.empty())
        print_one_token(layers, look, flags, flags.token.value_or(layers[0].queries - 1));
    return 0;
}

}  // namespace

void add_attend(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command =
        line.add("attend",
                 "show which tokens each attention head looks at: the attention weights after the softmax, and the\n"
                 "norm of the weighted sum of values\n"
                 "Example: vitro attend -p \"The capital of France is\" --layer 2 --head 1",
                 [flags] { return attend(*flags); });
    add_look_flags(command, flags->look);
    command.number("--layer", flags->layer, {0},
                   "only this layer; without --token, shows all pairs of tokens as a square");
    command.number("--head", flags->head, {0}, "only this head");
    command.number("--token", flags->token, {0},
                   "position of the token that attends to the others (default: the last)");
    command.output("--svg", flags->svg, "draw the squares into an SVG file");
    command.flag("--json", flags->json, "print JSON");
}

}  // namespace vitro
