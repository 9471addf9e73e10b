// vitro next: how a text becomes the next token, step by step.
#include "base/json_text.h"
#include "runtime/append.h"
#include "runtime/expect.h"
#include "runtime/lens.h"
#include "tools/common.h"
#include "tools/next_steps.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>

namespace vitro {
namespace {

struct Flags {
    ModelFlags model;
    TextFlags prompt;
    SamplingOptions sampling;
    std::int64_t top = 10;
    std::int64_t trace = 0;
    bool lens = false;
    bool json = false;
};

/// What a model would say after a layer.
struct LensRow {
    std::string path;
    std::int32_t id;
    double probability, rms;
};

/// The most probable token of these logits, and its probability.
std::pair<std::int32_t, double> best_of(std::span<const float> logits) {
    const auto best = std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const float value : logits) sum += std::exp(static_cast<double>(value - *best));
    return {static_cast<std::int32_t>(best - logits.begin()), 1 / sum};
}

/// Feeds the tokens with the residual stream tapped; a row for what stands in front of the layers and after each.
/// `with_head`: also what the head makes of it.
std::vector<LensRow> looked_through(LanguageModel& model, std::span<const std::int32_t> tokens, bool with_head,
                                    const std::function<std::span<const float>()>& feed) {
    ModelTaps taps(model, tokens.size() > 1 ? Phase::prefill : Phase::decode);
    const Lens lens(taps);
    taps.tap(lens.paths());
    feed();
    std::map<std::string, LensRow> rows;
    taps.read([&](const SeenValue& seen) {
        const auto [id, probability] = with_head ? best_of(lens.logits(seen, model.targets().back().backend))
                                                 : std::pair<std::int32_t, double>{-1, 0};
        rows[seen.path] = {seen.path, id, probability, Lens::rms(seen)};
    });
    std::vector<LensRow> out;
    for (const std::string& path : lens.paths()) out.push_back(rows.at(path));
    return out;
}

/// What a top-level part of the model makes of the tokens: "model.layers.0-3 (4 x Phi3DecoderLayer)", [1, 5, 256].
struct Stage {
    std::string name;
    std::string shape;
};

/// The type of the last value that a module computes, as its shape with the batch in front.
std::string shape_after(const Graph& graph, const Module& module, std::int64_t tokens) {
    const Node* last = nullptr;
    for (const Node& node : graph.nodes) {
        const std::string& path = graph.value(node.outputs[0]).path;
        if (path == module.path || path.starts_with(module.path + ".")) last = &node;
    }
    VITRO_CHECK(last != nullptr, "module {} computes nothing", module.path);
    std::string shape = "[1";
    for (const Dim dim : graph.value(last->outputs[0]).type.shape)
        shape += ", " + (dim == Dim('T') ? std::to_string(tokens) : to_string(dim));
    return shape + "]";
}

/// The stages a text goes through: modules that are not containers of other stages; equal neighbours folded.
std::vector<Stage> stages_of(const Graph& graph, std::int64_t tokens) {
    std::vector<Stage> stages;
    const auto depth = [](const std::string& path) { return std::count(path.begin(), path.end(), '.'); };
    const Module *first = nullptr, *previous = nullptr;
    std::size_t count = 0;
    const auto flush = [&] {
        if (first == nullptr) return;
        const std::string last = previous->path.substr(previous->path.rfind('.') + 1);
        stages.push_back({count == 1 ? fmt::format("{} ({})", first->path, first->type)
                                     : fmt::format("{}-{} ({} x {})", first->path, last, count, first->type),
                          shape_after(graph, *previous, tokens)});
        first = nullptr;
        count = 0;
    };
    for (const Module& module : graph.modules) {
        const bool is_layer = depth(module.path) == 2 && module.type.ends_with("DecoderLayer");
        const bool is_part = depth(module.path) <= 1 && !module.detail.empty();
        if (!is_layer && !is_part) continue;
        if (first != nullptr && module.type != first->type) flush();
        if (first == nullptr) first = &module;
        previous = &module;
        ++count;
    }
    flush();
    return stages;
}

void next(const Flags& flags) {
    const std::string prompt = read_text(flags.prompt);
    const Tokenizer tokenizer = open_tokenizer(flags.model);
    const auto tokens = tokenizer.encode(prompt);
    if (tokens.empty()) fail("the prompt has no tokens: expected at least one");
    const OpenModel open = open_model(flags.model, {.chunk = std::ssize(tokens)});
    expect_language_model(open.config);
    std::span<const float> logits;
    const auto feed = [&] { return logits = append(*open.model, {.tokens = tokens}).values; };
    const Sampler checked(flags.sampling, open.config.vocab_size);
    std::vector<LensRow> lens;
    if (flags.lens || flags.trace > 0)
        lens = looked_through(*open.model, tokens, flags.lens, feed);
    else
        feed();
    const std::vector<float> kept(logits.begin(), logits.end());
    logits = kept;
    const ExplainedChoice choice = explain_choice(logits, tokens, flags.sampling);
    std::vector<TracedToken> trace;
    if (flags.trace > 0) {
        std::vector<double> norms;
        for (const LensRow& row : lens) norms.push_back(row.rms);
        trace = traced_tokens(*open.model, logits, std::move(norms), flags.trace, flags.sampling,
                              open.generation.eos_token_ids);
    }
    if (!flags.lens) lens.clear();

    std::vector<std::int32_t> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    const std::size_t top = std::min(static_cast<std::size_t>(flags.top), order.size());
    const auto logit = [&](std::int32_t id) { return logits[static_cast<std::size_t>(id)]; };
    std::partial_sort(
        order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top), order.end(),
        [&](std::int32_t a, std::int32_t b) { return logit(a) != logit(b) ? logit(a) > logit(b) : a < b; });
    const float most = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const float value : logits) sum += std::exp(static_cast<double>(value - most));
    const auto probability = [&](std::int32_t id) { return std::exp(static_cast<double>(logit(id) - most)) / sum; };

    const auto n = static_cast<std::int64_t>(tokens.size());
    const auto stages = stages_of(build_model(open.config, {}), n);
    if (flags.json) {
        nlohmann::ordered_json json{{"prompt", prompt}};
        for (const std::int32_t id : tokens) json["tokens"].push_back({{"id", id}, {"piece", tokenizer.piece(id)}});
        json["stages"].push_back({{"name", "tokens"}, {"shape", fmt::format("[1, {}]", n)}});
        for (const Stage& stage : stages) json["stages"].push_back({{"name", stage.name}, {"shape", stage.shape}});
        for (std::size_t i = 0; i < top; ++i)
            json["next"].push_back({{"id", order[i]},
                                    {"piece", tokenizer.piece(order[i])},
                                    {"probability", probability(order[i])},
                                    {"logit", logit(order[i])}});
        json["sampling"] = json_of(choice, tokenizer, top);
        for (const TracedToken& token : trace) json["trace"].push_back(json_of(token, tokenizer, top));
        for (const LensRow& row : lens)
            json["lens"].push_back({{"after", row.path},
                                    {"id", row.id},
                                    {"piece", tokenizer.piece(row.id)},
                                    {"probability", row.probability},
                                    {"rms", row.rms}});
        // The prompt may be any bytes; JSON is UTF-8.
        print_out("{}\n", json_text(json));
        return;
    }
    print_out("tokens\n");
    for (const std::int32_t id : tokens) print_out("{:>8}  {}\n", id, tokenizer.piece(id));
    print_out("shapes\n  {:<48} [1, {}]\n", "tokens", n);
    for (const Stage& stage : stages) print_out("  {:<48} -> {}\n", stage.name, stage.shape);
    print_out("the last of the {} rows of logits ranks the next token\n  {:>6}  {:<16} {:>11} {:>9}\n", n, "id",
              "piece", "probability", "logit");
    for (std::size_t i = 0; i < top; ++i)
        print_out("  {:>6}  {:<16} {:>11.6f} {:>9.4f}\n", order[i], tokenizer.piece(order[i]), probability(order[i]),
                  logit(order[i]));
    if (choice.steps.size() > 1) print_sampling(choice, tokenizer, std::min<std::size_t>(top, 4));
    if (!trace.empty()) print_trace(trace, tokenizer, std::min<std::size_t>(top, 3));
    if (lens.empty()) return;
    print_out("what the head makes of the residual stream on its way\n  {:<44} {:>9}  {:<16} {:>11}\n", "after", "rms",
              "piece", "probability");
    for (const LensRow& row : lens)
        print_out("  {:<44} {:>9.4f}  {:<16} {:>11.6f}\n", row.path, row.rms, tokenizer.piece(row.id), row.probability);
}

}  // namespace

void add_next(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command = line.add(
        "next", "show how a text becomes the next token\nExample: vitro next \"The capital of France is\" --top 5",
        [flags] {
            next(*flags);
            return 0;
        });
    add_model_flags(command, flags->model);
    add_text_flags(command, flags->prompt, "the text");
    command.number("--top", flags->top, {1}, "list the N most probable next tokens (default 10)");
    add_sampling_flags(command, flags->sampling);
    command.number(
        "--trace", flags->trace, {0},
        "also go on by N tokens: each with its runners-up, and how large the residual stream was before it, in front "
        "of the layers and after each");
    command.flag("--lens", flags->lens,
                 "also apply the lm_head after every layer: which token the model would choose if it ended there");
    command.flag("--json", flags->json, "print JSON: tokens, stages, next, sampling, trace, lens");
}

}  // namespace vitro
