#include "ops/sample/sample.h"

#include "base/half.h"
#include "ops/common/elementwise.h"
#include "ops/common/expect.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vitro {
namespace {

constexpr std::int64_t kMostTokens = std::int64_t{1} << kTokenBits;

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes&) {
    const TensorType &logits = inputs[0], &options = inputs[1];
    expect_float("logits", logits, 2);
    if (logits.dim(1).is_symbol() || logits.dim(1).size < 1 || logits.dim(1).size > kMostTokens)
        fail("logits: expected rows of a constant size in [1, {}], found {}", kMostTokens, to_string(logits));
    expect_float("options", options, 2);
    const Shape shape{logits.dim(0), SampleRow::kOptions};
    if (options.shape != shape) fail("options: expected {}, found {}", to_string(shape), to_string(options.shape));
    expect_i32("integers", inputs[2], {logits.dim(0), SampleRow::kIntegers});
    return {{DType::i32, {logits.dim(0)}}};
}

/// By sorting all candidates.
std::int32_t reference_row(const std::vector<float>& logits, const SampleRow& row) {
    float largest = -std::numeric_limits<float>::infinity();
    std::int32_t first = 0;
    for (std::size_t i = 0; i < logits.size(); ++i)
        if (logits[i] > largest) largest = logits[i], first = static_cast<std::int32_t>(i);
    if (std::any_of(logits.begin(), logits.end(), [](float x) { return !(x < INFINITY); })) return -1;
    if (!(row.temperature > 0) || largest == -std::numeric_limits<float>::infinity()) return first;

    std::vector<SampleCandidate> kept;
    for (std::size_t i = 0; i < logits.size(); ++i) {
        const float distance = sample_distance(logits[i], largest, row.temperature);
        if (distance <= kFarthestCandidate)
            kept.push_back({sample_order(distance, static_cast<std::int32_t>(i)), sample_weight(distance)});
    }
    std::sort(kept.begin(), kept.end(), [](const auto& a, const auto& b) { return a.order < b.order; });
    const auto sum = [&] {
        std::uint64_t weights = 0;
        for (const SampleCandidate& candidate : kept) weights += candidate.weight;
        return weights;
    };
    if (row.top_k > 0) kept.resize(std::min(kept.size(), static_cast<std::size_t>(row.top_k)));
    if (row.top_p < 1) {
        const std::uint64_t wanted = top_p_weight(row.top_p, sum());
        std::uint64_t reached = 0;
        std::size_t count = 0;
        while (reached < wanted) reached += kept[count++].weight;
        kept.resize(count);
    }
    const std::uint64_t least = min_p_weight(row.min_p);
    std::erase_if(kept, [&](const SampleCandidate& candidate) { return candidate.weight < least; });
    const std::uint64_t drawn = drawn_weight(random_uniform(row.seed, static_cast<std::uint64_t>(row.position)), sum());
    std::uint64_t passed = 0;
    for (const SampleCandidate& candidate : kept) {
        passed += candidate.weight;
        if (passed > drawn) return token_of_order(candidate.order);
    }
    return first;
}

void reference(const Call& call) {
    const Tensor &logits = call.in(0), &options = call.in(1);
    const std::int64_t n = logits.dim(1);
    for (std::int64_t r = 0; r < logits.dim(0); ++r) {
        std::vector<float> row;
        dispatch_float(logits.dtype, [&]<class T>(T) {
            for (std::int64_t i = 0; i < n; ++i) row.push_back(float(logits.as<T>()[r * n + i]));
        });
        float own[SampleRow::kOptions];
        dispatch_float(options.dtype, [&]<class T>(T) {
            for (std::int64_t i = 0; i < SampleRow::kOptions; ++i)
                own[i] = float(options.as<T>()[r * SampleRow::kOptions + i]);
        });
        call.out().as<std::int32_t>()[r] =
            reference_row(row, SampleRow::read(own, call.in(2).as<std::int32_t>() + r * SampleRow::kIntegers));
    }
}

Cost cost(const Call& call) {
    Cost cost = elementwise_cost(call, 0);
    cost.flops = 20 * call.in(0).elements();
    return cost;
}

SampleRow example_row(std::int64_t n, Random& random) {
    const auto one_of = [&](std::initializer_list<float> values) {
        return values.begin()[random.integer(0, std::ssize(values) - 1)];
    };
    return {.temperature = one_of({0, 0.25f, 1, 1, 2}),
            .top_p = one_of({0, 0.5f, 0.875f, 1, 1}),
            .min_p = one_of({0, 0, 0.03125f, 1}),
            .top_k = static_cast<std::int32_t>(random.integer(0, 1) * random.integer(0, n + 1)),
            .position = static_cast<std::int32_t>(random.integer(0, 5000)),
            .seed = random.bits()};
}

/// Rows of all kinds; `ties`: a few logits only, some of them -inf.
Example example(std::int64_t rows, std::int64_t n, bool ties) {
    SymbolValues symbols;
    symbols['R'] = rows;
    const auto fill = [=](std::size_t index, const Tensor& tensor, Random& random) {
        if (index == 0) {
            if (!ties) return false;
            dispatch_float(tensor.dtype, [&]<class T>(T) {
                for (std::int64_t i = 0; i < tensor.elements(); ++i) {
                    const auto value = static_cast<float>(random.integer(-3, 2));
                    tensor.as<T>()[i] = T(value == -3 ? -std::numeric_limits<float>::infinity() : value);
                }
            });
            return true;
        }
        for (std::int64_t r = 0; r < tensor.dim(0); ++r) {
            float options[SampleRow::kOptions];
            std::int32_t integers[SampleRow::kIntegers];
            example_row(n, random).write(options, integers);
            if (index == 2) std::copy_n(integers, tensor.dim(1), tensor.as<std::int32_t>() + r * tensor.dim(1));
            if (index == 1)
                dispatch_float(tensor.dtype, [&]<class T>(T) {
                    for (std::int64_t i = 0; i < tensor.dim(1); ++i)
                        tensor.as<T>()[r * tensor.dim(1) + i] = T(options[i]);
                });
        }
        return true;
    };
    return {
        {{DType::f32, {'R', n}}, {DType::f32, {'R', SampleRow::kOptions}}, {DType::i32, {'R', SampleRow::kIntegers}}},
        {},
        symbols,
        fill};
}

std::vector<Example> examples(Random& random) {
    return {example(1, 1, false), example(4, random.integer(2, 70), false), example(4, random.integer(2, 70), true),
            example(2, random.integer(3000, 9000), false), example(2, random.integer(5000, 9000), true)};
}

}  // namespace

void SampleRow::write(float* options, std::int32_t* integers) const {
    options[0] = temperature;
    options[1] = top_p;
    options[2] = min_p;
    integers[0] = top_k;
    integers[1] = position;
    integers[2] = static_cast<std::int32_t>(static_cast<std::uint32_t>(seed));
    integers[3] = static_cast<std::int32_t>(static_cast<std::uint32_t>(seed >> 32));
}

SampleRow SampleRow::read(const float* options, const std::int32_t* integers) {
    return {.temperature = options[0],
            .top_p = options[1],
            .min_p = options[2],
            .top_k = integers[0],
            .position = integers[1],
            .seed = static_cast<std::uint64_t>(static_cast<std::uint32_t>(integers[3])) << 32 |
                    static_cast<std::uint32_t>(integers[2])};
}

const OpDef kSample{
    .name = "sample",
    .doc =
        "out[r] = a token drawn with the probabilities softmax(logits[r] / temperature) from those that top-k, top-p "
        "and "
        "min-p, applied in this order, leave; temperature 0 takes the largest logit, the first of equal ones. "
        "options[r] = temperature, top_p, min_p; integers[r] = top_k, position and the two halves of a seed: the "
        "random "
        "choice depends on position and seed only. Every device chooses the same token; a row with NaN or +Inf gives "
        "-1.",
    .inputs = {"logits", "options", "integers"},
    .infer = infer,
    .reference = reference,
    .cost = cost,
    .examples = examples,
};

Value sample(At at, Value logits, Value options, Value integers) {
    return at.apply(kSample, {logits, options, integers});
}

}  // namespace vitro
