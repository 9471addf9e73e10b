// vitro trace: the graph's page with the values of a run in its boxes.
#include "base/json_text.h"
#include "graph/dump/html.h"
#include "graph/elements.h"
#include "ops/rope/rope.h"
#include "runtime/append.h"
#include "runtime/errors.h"
#include "runtime/expect.h"
#include "runtime/profile.h"
#include "tools/look.h"
#include "tools/story.h"
#include "tools/trace_values.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

namespace vitro {
namespace {

struct Flags {
    LookFlags look;
    std::filesystem::path output;
    std::string language = "en";
    bool lesson = false;
};

constexpr std::size_t kMostRivals = 12;
constexpr int kRounds = 3;  // of which the fastest counts

/// What a token adds to the text: " is" where the vocabulary has "▁is" or "Ġis"; its id where there is no tokenizer.
std::string read_as(const Looked& look, std::int32_t id) {
    if (!look.tokenizer) return look.text(id);
    DecodeStream stream = look.tokenizer->decode_stream();
    stream.continue_text();
    const std::string text = stream.push(look.tokenizer->piece(id)) + stream.finish();
    return text.empty() ? look.text(id) : text;
}

/// The most probable tokens of these logits.
Json rivals(std::span<const float> logits, const Looked& look) {
    std::vector<std::int32_t> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    const auto logit = [&](std::int32_t id) { return logits[static_cast<std::size_t>(id)]; };
    const std::size_t count = std::min(kMostRivals, order.size());
    std::partial_sort(
        order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
        [&](std::int32_t a, std::int32_t b) { return logit(a) != logit(b) ? logit(a) > logit(b) : a < b; });
    double sum = 0;
    for (const float each : logits) sum += std::exp(static_cast<double>(each - logit(order[0])));
    Json out = Json::array();
    for (std::size_t i = 0; i < count; ++i)
        out.push_back({order[i], read_as(look, order[i]), logit(order[i]),
                       std::exp(static_cast<double>(logit(order[i]) - logit(order[0]))) / sum});
    return out;
}

double seconds_of(const std::function<void()>& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Seconds of each step as it was, and of computing all of its tokens anew, as without a cache. Untapped.
Json times_of(Looked& look, std::size_t prompt) {
    LanguageModel& model = *look.open.model;
    const std::span<const std::int32_t> tokens = look.tokens;
    const Want want = usual_result(model.config());
    std::vector<double> cached, anew;
    const auto keep_least = [](std::vector<double>& all, std::size_t at, double seconds) {
        if (at == all.size())
            all.push_back(seconds);
        else
            all[at] = std::min(all[at], seconds);
    };
    for (int round = 0; round < kRounds; ++round) {
        model.truncate(0, 0);
        for (std::size_t end = prompt, begin = 0; end < tokens.size() || begin == 0; begin = end++) {
            const auto part = tokens.subspan(begin, end - begin);
            keep_least(cached, end - prompt, seconds_of([&] { append(model, {.tokens = part, .want = want}); }));
        }
        for (std::size_t end = prompt; end < std::max(tokens.size(), prompt + 1); ++end) {
            model.truncate(0, 0);
            keep_least(anew, end - prompt,
                       seconds_of([&] { append(model, {.tokens = tokens.first(end), .want = want}); }));
        }
    }
    return {{"cached", cached}, {"anew", anew}};
}

/// When each step of the program began and ended in every step of the run, by `vitro profile`'s clocks, in seconds
/// since the step was called; what is moved and computed. A run after the one whose values are shown.
Json profile_of(Looked& look, std::size_t prompt) {
    LanguageModel& model = *look.open.model;
    model.truncate(0, 0);
    Profile profile(model);
    const std::span<const std::int32_t> tokens = look.tokens;
    profile.step(tokens.first(prompt));
    for (std::size_t at = prompt; at + 1 < tokens.size(); ++at) profile.step(tokens.subspan(at, 1));
    Json out{{"paths", Json::object()}, {"runs", Json::array()}};
    for (const Phase phase : {Phase::prefill, Phase::decode}) {
        Json& paths = out["paths"][std::string(name(phase))] = Json::array();
        for (const ProfiledStep& step : profile.steps(phase)) paths.push_back(step.path);
    }
    for (const ProfiledRun& run : profile.runs()) {
        Json steps = Json::array();
        for (const ProfiledRun::Time& step : run.steps)
            steps.push_back({step.begin - run.begin, step.end - run.begin, step.cost.bytes, step.cost.flops});
        out["runs"].push_back({{"phase", name(run.phase)},
                               {"first", run.first_position},
                               {"count", run.tokens},
                               {"program", run.program_begin - run.begin},
                               {"seconds", run.seconds()},
                               {"untimed", run.untimed},
                               {"steps", steps}});
    }
    return out;
}

/// How vectors turn: radians a position of each pair, and of steps that end behind position `short_until`.
Json rope_of(const Rope& rope) {
    const RopeAttributes attributes{
        .theta = static_cast<float>(rope.theta), .short_factor = rope.short_factor, .long_factor = rope.long_factor};
    const auto speeds = [&](bool is_long) {
        std::vector<float> out(static_cast<std::size_t>(rope.rotary_dim / 2));
        inverse_frequencies(attributes, is_long, out);
        return out;
    };
    return {{"theta", rope.theta},
            {"is_scaled", rope.kind != RopeKind::unscaled},
            {"factor", rope.attention_factor},
            {"speeds", speeds(false)},
            {"long_speeds", speeds(true)},
            {"short_until", rope.original_max_positions}};
}

/// What the model is, for the words of the page.
Json model_of(const ModelConfig& config) {
    Json ropes = Json::array(), layers = Json::array();
    for (const Rope& rope : config.ropes) ropes.push_back(rope_of(rope));
    for (const LayerConfig& layer : config.layers)
        layers.push_back({{"kv_heads", layer.n_kv_heads},
                          {"head_dim", layer.head_dim},
                          {"window", layer.sliding_window},
                          {"stride", layer.sparse_stride},
                          {"summary", layer.sparse_summary},
                          {"rope", layer.rope},
                          {"has_experts", layer.has_experts}});
    return {{"architecture", config.architecture},
            {"hidden", config.hidden_size},
            {"heads", config.n_heads},
            {"intermediate", config.intermediate_size},
            {"vocab", config.vocab_size},
            {"context", config.max_positions},
            {"eps", config.norm_eps},
            {"ropes", ropes},
            {"layers", layers}};
}

/// Makes the steps and keeps all that they compute. A step whose logits are not finite is the last one: its values are
/// there to be seen.
Json recorded(Looked& look) {
    const std::size_t prompt = look.tokens.size();
    const bool has_next = look.open.config.head == Head::language_model;
    Json steps = Json::array();
    std::string trouble;
    TraceValues values;
    {
        LanguageModel& model = *look.open.model;
        ModelTaps prefill(model, Phase::prefill), decode(model, Phase::decode);
        prefill.tap_all();
        decode.tap_all();
        look.run_by([&](StepPart part) -> std::span<const float> {
            const std::int64_t first = std::ssize(model.tokens(part.sequence)), count = std::ssize(part.tokens);
            const Phase phase = count > 1 ? Phase::prefill : Phase::decode;
            part.length = first + count;
            std::span<const float> logits;
            try {
                logits = model.step({&part, 1}).front().values;
            } catch (const NotFiniteError& error) {
                trouble = error.what();
            }
            values.begin_step();
            const ModelTaps& taps = phase == Phase::prefill ? prefill : decode;
            taps.read([&](const SeenValue& seen) { values.add(seen, taps.source()); });
            steps.push_back({{"phase", name(phase)},
                             {"first", first},
                             {"count", count},
                             {"next", logits.empty() || !has_next ? Json::array() : rivals(logits, look)}});
            return logits;
        });
    }
    Json tokens = Json::array();
    for (const std::int32_t id : look.tokens) tokens.push_back({id, read_as(look, id)});
    return {{"tokens", tokens},
            {"prompt", prompt},
            {"steps", steps},
            {"trouble", trouble},
            {"times", trouble.empty() ? times_of(look, prompt) : Json()},
            {"profile", trouble.empty() ? profile_of(look, prompt) : Json()},
            {"model", model_of(look.open.config)},
            {"values", values.json()}};
}

int trace(const Flags& flags) {
    Looked look = open_to_look(flags.look);
    const ModelConfig& config = look.open.config;
    if (flags.lesson && !is_language_model(config))
        fail(
            "--lesson: expected a model that goes on with a text token by token, which {} does not. Without --lesson "
            "the page shows its values",
            config.architecture);
    const std::int64_t chunk = look.open.model->options().chunk;
    Json run = recorded(look);
    if (flags.lesson) run["lesson"] = flags.language;
    const StoryFlags story{.model = flags.look.model, .step = {.batch = 1, .chunk = chunk}};
    const Devices devices = open_devices(story.model);
    const std::vector<Story> stories = compile_stories(story, devices);
    HtmlPage page{.language = flags.language};
    for (const Story& each : stories) page.programs.push_back(&each);
    page.run = json_text(run);
    print_or_write(html_of(page), flags.output);
    return 0;
}

}  // namespace

void add_trace(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    flags->look.usual_predict = 3;
    const Command command =
        line.add("trace",
                 "write one HTML page of the model computing a text: every stage of the graph, with the values of\n"
                 "every token in its boxes, and what attention looks at\n"
                 "Example: vitro trace -p \"The capital of France is\" -o trace.html",
                 [flags] { return trace(*flags); });
    add_look_flags(command, flags->look);
    command.number("-n,--predict", flags->look.predict, {0},
                   "tokens to generate after the text (default 3; by a model that generates none, 0), the most "
                   "probable ones");
    command.flag("--lesson", flags->lesson,
                 "with a guided tour of what happens in this model with this text, from text to token");
    command.choice("--lang", flags->language, {"en", "zh"},
                   "the language of the page and of the tour: en (the default) or zh");
    command.output("-o,--output", flags->output, "write to a file instead");
}

}  // namespace vitro
