#include "runtime/text_score.h"

#include "runtime/expect.h"

#include <algorithm>
#include <cmath>

namespace vitro {
namespace {

/// Numbers whose mean is wanted.
class Sum {
public:
    void add(double x) {
        ++count_;
        const double distance = x - mean_;  // Welford 1962: no large sums are subtracted
        mean_ += distance / static_cast<double>(count_);
        squares_ += distance * (x - mean_);
    }
    std::int64_t count() const { return count_; }
    Mean mean() const {
        const auto n = static_cast<double>(count_);
        return {mean_, count_ < 2 ? 0 : std::sqrt(squares_ / (n - 1) / n)};
    }

private:
    std::int64_t count_ = 0;
    double mean_ = 0, squares_ = 0;
};

class Scorer {
public:
    Scorer(LanguageModel& model, LanguageModel* other) : model_(model), other_(other) {}

    /// Predicts the tokens of a window from `first` on.
    void score(std::span<const std::int32_t> window, std::size_t first) {
        const auto chunk = static_cast<std::size_t>(
            other_ == nullptr ? model_.options().chunk : std::min(model_.options().chunk, other_->options().chunk));
        for (LanguageModel* each : {&model_, other_})
            if (each != nullptr) each->truncate(0, 0);
        // The row of a token predicts the one behind it; the last token has nothing to predict.
        std::size_t done = 0;
        const auto step = [&](std::size_t end, Want want) {
            while (done < end) {
                const auto piece = window.subspan(done, std::min(chunk, end - done));
                const StepPart part{.tokens = piece, .want = want, .all_rows = true, .length = std::ssize(window)};
                const auto rows = model_.step({&part, 1}).front().values;
                const auto other_rows =
                    other_ == nullptr ? std::span<const float>() : other_->step({&part, 1}).front().values;
                for (std::size_t i = 0; want != Want::nothing && i < piece.size(); ++i)
                    take(rows, other_rows, i, window[done + i + 1]);
                done += piece.size();
            }
        };
        step(first - 1, Want::nothing);
        step(window.size() - 1, Want::log_probabilities);
    }

    TextScore finished(std::int64_t windows) const {
        TextScore out{windows, loss_.count(), loss_.mean(), {}};
        if (other_ != nullptr)
            out.agreement = {other_loss_.mean(), divergence_.mean(), most_,
                             static_cast<double>(same_) / static_cast<double>(loss_.count())};
        return out;
    }

private:
    void take(std::span<const float> rows, std::span<const float> other_rows, std::size_t row, std::int32_t next) {
        const auto n = static_cast<std::size_t>(model_.config().vocab_size);
        const std::span<const float> q = rows.subspan(row * n, n);
        loss_.add(-static_cast<double>(q[static_cast<std::size_t>(next)]));
        if (other_ == nullptr) return;
        const std::span<const float> p = other_rows.subspan(row * n, n);
        other_loss_.add(-static_cast<double>(p[static_cast<std::size_t>(next)]));
        double divergence = 0;
        for (std::size_t i = 0; i < n; ++i)
            if (const double log_p = p[i]; std::isfinite(log_p)) divergence += std::exp(log_p) * (log_p - double(q[i]));
        divergence_.add(divergence);
        most_ = std::max(most_, divergence);
        const auto best = [](std::span<const float> all) {
            return std::max_element(all.begin(), all.end()) - all.begin();
        };
        same_ += best(p) == best(q);
    }

    LanguageModel& model_;
    LanguageModel* other_;
    Sum loss_, other_loss_, divergence_;
    double most_ = 0;
    std::int64_t same_ = 0;
};

}  // namespace

TextScore score_text(LanguageModel& model, LanguageModel* other, std::span<const std::int32_t> tokens,
                     std::int64_t window, const std::function<void(std::int64_t done)>& progress) {
    expect_language_model(model.config());
    if (other != nullptr) expect_language_model(other->config());
    if (tokens.size() < 2) fail("expected a text of at least 2 tokens, found {}", tokens.size());
    if (window < 2 || window > model.context())
        fail("windows: expected 2 to {} tokens, the model's context, found {}", model.context(), window);
    if (other != nullptr && other->context() < window)
        fail("windows: expected at most {} tokens, the other model's context, found {}", other->context(), window);
    if (other != nullptr && other->config().vocab_size != model.config().vocab_size)
        fail("the vocabularies: expected equal sizes, found {} and {}", model.config().vocab_size,
             other->config().vocab_size);
    Scorer scorer(model, other);
    const auto size = static_cast<std::size_t>(window), all = tokens.size() / size;
    if (all == 0) scorer.score(tokens, 1);
    for (std::size_t i = 0; i < all; ++i) {
        scorer.score(tokens.subspan(i * size, size), std::max<std::size_t>(1, size / 2));
        if (progress) progress(static_cast<std::int64_t>((i + 1) * size));
    }
    return scorer.finished(static_cast<std::int64_t>(std::max<std::size_t>(1, all)));
}

}  // namespace vitro
