#include "runtime/text_vectors.h"

#include "runtime/append.h"

#include <algorithm>
#include <cmath>

namespace vitro {
namespace {

double dot(std::span<const float> a, std::span<const float> b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
}

std::vector<float> pooled(std::span<const float> rows, std::size_t width, const Pooling& pooling) {
    const std::size_t count = rows.size() / width;
    std::vector<double> sum(width);
    const auto add = [&](std::size_t row) {
        for (std::size_t i = 0; i < width; ++i) sum[i] += static_cast<double>(rows[row * width + i]);
    };
    if (pooling.kind == Pooling::Kind::mean)
        for (std::size_t row = 0; row < count; ++row) add(row);
    else
        add(pooling.kind == Pooling::Kind::first ? 0 : count - 1);
    double divisor = pooling.kind == Pooling::Kind::mean ? static_cast<double>(count) : 1;
    if (pooling.normalize) {
        double squares = 0;
        for (const double x : sum) squares += x * x;
        divisor = squares > 0 ? std::sqrt(squares) : 1;
    }
    std::vector<float> out;
    for (const double x : sum) out.push_back(static_cast<float>(x / divisor));
    return out;
}

}  // namespace

void each_text(LanguageModel& model, TokenLists texts, Want want,
               const std::function<void(std::size_t text, std::span<const float> rows)>& take) {
    const auto most_texts = static_cast<std::size_t>(model.options().max_sequences);
    const auto most_tokens = static_cast<std::size_t>(model.options().chunk);
    const auto forget = [&] {
        for (std::int64_t i = 0; i < model.options().max_sequences; ++i) model.truncate(i, 0);
    };
    std::vector<StepPart> parts;
    for (std::size_t first = 0; first < texts.size(); first += parts.size()) {
        parts.clear();
        std::size_t tokens = 0;
        for (std::size_t i = first; i < texts.size() && parts.size() < most_texts; ++i) {
            tokens += texts[i].size();
            if (!parts.empty() && tokens > most_tokens) break;
            parts.push_back({.sequence = static_cast<std::int64_t>(parts.size()),
                             .tokens = texts[i],
                             .want = want,
                             .all_rows = true,
                             .sample = {},
                             .length = 0});
        }
        if (parts.front().tokens.size() > most_tokens) {  // of a model that takes texts in pieces
            std::vector<float> rows;
            append(model, parts.front(), [&](const PartResult& result) {
                rows.insert(rows.end(), result.values.begin(), result.values.end());
            });
            take(first, rows);
        } else {
            const auto results = model.step(parts);
            for (std::size_t i = 0; i < parts.size(); ++i) take(first + i, results[i].values);
        }
        forget();
    }
}

std::vector<std::vector<float>> text_vectors(LanguageModel& model, TokenLists texts, const Pooling& pooling) {
    std::vector<std::vector<float>> out(texts.size());
    const auto width = static_cast<std::size_t>(model.config().hidden_size);
    each_text(model, texts, Want::hidden_states,
              [&](std::size_t text, std::span<const float> rows) { out[text] = pooled(rows, width, pooling); });
    return out;
}

std::vector<float> similarities(const std::vector<std::vector<float>>& vectors) {
    std::vector<float> out;
    for (const auto& a : vectors)
        for (const auto& b : vectors) {
            const double lengths = std::sqrt(dot(a, a) * dot(b, b));
            out.push_back(static_cast<float>(lengths > 0 ? dot(a, b) / lengths : 0));
        }
    return out;
}

void to_probabilities(std::span<float> row, bool are_independent) {
    if (row.size() == 1) return;
    if (are_independent) {
        for (float& x : row) x = static_cast<float>(1 / (1 + std::exp(-static_cast<double>(x))));
        return;
    }
    const double largest = *std::max_element(row.begin(), row.end());
    const auto part = [&](float x) { return std::isinf(x) ? 0 : std::exp(static_cast<double>(x) - largest); };
    double sum = 0;
    for (const float x : row) sum += part(x);
    for (float& x : row) x = static_cast<float>(sum > 0 ? part(x) / sum : 0);
}

std::vector<std::vector<float>> label_scores(LanguageModel& model, TokenLists texts,
                                             std::optional<std::int64_t> padding) {
    const ModelConfig& config = model.config();
    if (config.head != Head::sequence_labels && config.head != Head::token_labels)
        fail("{}: expected a model with labels, such as one ForSequenceClassification", config.architecture);
    const auto width = static_cast<std::size_t>(config.n_outputs());
    std::vector<std::vector<float>> out(texts.size());
    each_text(model, texts, Want::logits, [&](std::size_t text, std::span<const float> rows) {
        // Of a text, the token that has seen all of it: the last that is no padding, or the first where all have.
        if (config.head == Head::sequence_labels) {
            const auto& tokens = texts[text];
            std::size_t last = config.is_causal ? tokens.size() - 1 : 0;
            while (last > 0 && tokens[last] == padding) --last;
            rows = rows.subspan(last * width, width);
        }
        out[text].assign(rows.begin(), rows.end());
        for (std::size_t row = 0; row < rows.size(); row += width)
            to_probabilities(std::span(out[text]).subspan(row, width), config.has_independent_labels);
    });
    return out;
}

}  // namespace vitro
