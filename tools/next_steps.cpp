#include "tools/next_steps.h"

#include "runtime/append.h"
#include "runtime/lens.h"
#include "tools/output.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;

std::string shown(const Tokenizer& tokenizer, std::int32_t id) {
    std::string out = "'";
    for (const char c : tokenizer.piece(id)) out += c == '\n' ? std::string("\\n") : std::string(1, c);
    return out + "'";
}

/// "' Paris' 0.93, ' London' 0.04"
std::string first_of(const SamplingStep& step, const Tokenizer& tokenizer, std::size_t top) {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < std::min(top, step.candidates.size()); ++i)
        out.push_back(fmt::format("{} {:.4f}", shown(tokenizer, step.candidates[i].first), step.candidates[i].second));
    return fmt::format("{}", fmt::join(out, ", "));
}

}  // namespace

std::vector<TracedToken> traced_tokens(LanguageModel& model, std::span<const float> logits, std::vector<double> norms,
                                       std::int64_t count, const SamplingOptions& options,
                                       std::span<const std::int64_t> end_tokens) {
    ModelTaps taps(model, Phase::decode);
    const Lens lens(taps);
    taps.tap(lens.paths());
    std::vector<TracedToken> out;
    while (std::ssize(out) < count) {
        const std::span<const std::int32_t> history = model.tokens(0);
        TracedToken token{std::ssize(history), explain_choice(logits, history, options), std::move(norms)};
        const std::int32_t id = token.choice.token;
        out.push_back(std::move(token));
        const bool ends = std::find(end_tokens.begin(), end_tokens.end(), id) != end_tokens.end();
        if (ends || std::ssize(history) >= model.context() || std::ssize(out) == count) break;
        logits = append(model, {.tokens = {&id, 1}}).values;
        std::map<std::string, double> by_path;
        taps.read([&](const SeenValue& seen) { by_path[seen.path] = Lens::rms(seen); });
        norms.clear();
        for (const std::string& path : lens.paths()) norms.push_back(by_path.at(path));
    }
    return out;
}

void print_sampling(const ExplainedChoice& choice, const Tokenizer& tokenizer, std::size_t top) {
    print_out("how the token is chosen\n  {:<24} {:>6}  the most probable of them\n", "after", "left");
    for (const SamplingStep& step : choice.steps)
        print_out("  {:<24} {:>6}  {}\n", step.name, step.candidates.size(), first_of(step, tokenizer, top));
    print_out("  chosen: {}, probability {:.4f}{}\n", shown(tokenizer, choice.token), choice.probability,
              choice.drawn > 0 ? fmt::format(", by the draw {:.4f}", choice.drawn) : "");
}

void print_trace(const std::vector<TracedToken>& trace, const Tokenizer& tokenizer, std::size_t top) {
    print_out("token by token\n");
    for (const TracedToken& token : trace) {
        const SamplingStep& last = token.choice.steps.back();
        SamplingStep others{last.name, {}};
        for (const auto& candidate : last.candidates)
            if (candidate.first != token.choice.token) others.candidates.push_back(candidate);
        print_out("  {:>4}  {:<14} {:.4f}  before {}\n", token.position, shown(tokenizer, token.choice.token),
                  token.choice.probability, others.candidates.empty() ? "no other" : first_of(others, tokenizer, top));
        print_out("        residual rms {:.4g}\n", fmt::join(token.norms, " "));
    }
}

Json json_of(const ExplainedChoice& choice, const Tokenizer& tokenizer, std::size_t top) {
    Json json{{"token", choice.token},
              {"piece", tokenizer.piece(choice.token)},
              {"probability", choice.probability},
              {"drawn", choice.drawn},
              {"steps", Json::array()}};
    for (const SamplingStep& step : choice.steps) {
        Json one{{"after", step.name}, {"left", step.candidates.size()}, {"candidates", Json::array()}};
        for (std::size_t i = 0; i < std::min(top, step.candidates.size()); ++i)
            one["candidates"].push_back({{"id", step.candidates[i].first},
                                         {"piece", tokenizer.piece(step.candidates[i].first)},
                                         {"probability", step.candidates[i].second}});
        json["steps"].push_back(std::move(one));
    }
    return json;
}

Json json_of(const TracedToken& token, const Tokenizer& tokenizer, std::size_t top) {
    Json json{{"position", token.position}};
    json.update(json_of(token.choice, tokenizer, top));
    json["residual_rms"] = token.norms;
    return json;
}

}  // namespace vitro
