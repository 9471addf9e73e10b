// Steps against each other: what must be the same whatever kernel computes it.
#include "base/random.h"
#include "runtime/append.h"
#include "tools/bench.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace vitro {
namespace {

using Tokens = std::vector<std::int32_t>;
using Logits = std::vector<float>;

Tokens random_tokens(const LanguageModel& model, std::int64_t count, std::uint64_t seed) {
    Tokens tokens;
    for (std::int64_t i = 0; i < count; ++i)
        tokens.push_back(
            static_cast<std::int32_t>(random_bits(seed, std::uint64_t(i)) % std::uint64_t(model.config().vocab_size)));
    return tokens;
}

/// Mean square of the difference, as a part of the expected values' own; NaN stays NaN.
double error_of(const Logits& found, const Logits& expected) {
    double difference = 0, all = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const double d = double(found[i]) - double(expected[i]);
        difference += d * d;
        all += double(expected[i]) * double(expected[i]);
    }
    return difference / all;
}

class Verify {
public:
    Verify(LanguageModel& model, std::int64_t batch, std::int64_t context)
        : model_(model), batch_(batch), context_(context) {}

    nlohmann::ordered_json run() {
        // Rounding of activations at other places is all that kernels may differ in. In 32 layers of bf16 it is some
        // 1e-4 of the mean square; a key that is missing, or another's, is more.
        const double allowed = model_.options().activation == DType::f32 ? 1e-6 : 1e-2;
        const double decode = decode_error();
        const bool equal = equal_sequences_agree();
        const auto [ragged, same] = ragged_error();
        std::string why;
        const auto add = [&](bool bad, const std::string& text) {
            if (bad) why += (why.empty() ? "" : "; ") + text;
        };
        add(!(decode <= allowed), fmt::format("decode differs from the prompt's last token by nmse {:.1e}", decode));
        add(!equal, "equal sequences in one step have different logits");
        add(!(ragged <= allowed),
            fmt::format("a sequence in a batch differs from itself alone by nmse {:.1e}", ragged));
        return {{"batch", batch_},         {"context", context_},   {"decode_nmse", decode},
                {"equal", equal},          {"ragged_nmse", ragged}, {"ragged_equal", same},
                {"allowed_nmse", allowed}, {"agrees", why.empty()}, {"why", why}};
    }

private:
    /// Appends, and gives the logits of the last token.
    Logits last_logits(std::int64_t sequence, const Tokens& tokens) {
        const PartResult result = append(model_, {.sequence = sequence, .tokens = tokens, .want = Want::logits});
        return {result.values.begin(), result.values.end()};
    }

    void fill(std::int64_t sequence, const Tokens& tokens, std::int64_t length) {
        model_.truncate(sequence, 0);
        const Tokens part(tokens.begin(), tokens.begin() + length);
        if (length > 0) append(model_, {.sequence = sequence, .tokens = part, .want = Want::nothing});
    }

    double decode_error() {
        const Tokens tokens = random_tokens(model_, context_ + 1, 1);
        model_.truncate(0, 0);
        const Logits expected = last_logits(0, tokens);
        model_.truncate(0, context_);
        return error_of(last_logits(0, {tokens.back()}), expected);
    }

    /// One step with a token of each sequence: their logits.
    std::vector<Logits> step(const std::vector<Tokens>& next) {
        std::vector<StepPart> parts;
        for (std::int64_t s = 0; s < batch_; ++s)
            parts.push_back({.sequence = s, .tokens = next[std::size_t(s)], .want = Want::logits});
        std::vector<Logits> out;
        for (const PartResult& result : model_.step(parts))
            out.emplace_back(result.values.begin(), result.values.end());
        return out;
    }

    bool equal_sequences_agree() {
        const Tokens tokens = random_tokens(model_, context_ + 1, 2);
        for (std::int64_t s = 0; s < batch_; ++s) fill(s, tokens, context_);
        const std::vector<Logits> logits = step(std::vector<Tokens>(std::size_t(batch_), {tokens.back()}));
        return std::all_of(logits.begin(), logits.end(), [&](const Logits& one) { return one == logits.front(); });
    }

    /// The largest error, and how many sequences have the same bits.
    std::pair<double, std::int64_t> ragged_error() {
        std::vector<Tokens> tokens, next;
        const auto length = [&](std::int64_t s) { return (s + 1) * context_ / batch_; };
        for (std::int64_t s = 0; s < batch_; ++s) {
            tokens.push_back(random_tokens(model_, length(s) + 1, 100 + std::uint64_t(s)));
            next.push_back({tokens.back().back()});
            fill(s, tokens.back(), length(s));
        }
        const std::vector<Logits> together = step(next);
        double largest = 0;
        std::int64_t same = 0;
        for (std::int64_t s = 0; s < batch_; ++s) {
            model_.truncate(s, length(s));
            const Logits alone = last_logits(s, next[std::size_t(s)]);
            const double error = error_of(together[std::size_t(s)], alone);
            largest = std::isnan(error) ? error : std::max(largest, error);
            same += together[std::size_t(s)] == alone;
        }
        return {largest, same};
    }

    LanguageModel& model_;
    const std::int64_t batch_, context_;
};

}  // namespace

nlohmann::ordered_json verify_steps(LanguageModel& model, std::int64_t batch, std::int64_t context) {
    return Verify(model, batch, context).run();
}

}  // namespace vitro
