// Every type that a KV cache can have: the same bits in any company, chunk and number of threads.
#include "ops/op_list.h"
#include "tests/runtime/goldens.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace vitro;
using namespace vitro::test;

namespace {

using Tokens = std::vector<std::int32_t>;
using Values = std::vector<float>;

constexpr DType kTypes[] = {DType::f32, DType::f16, DType::bf16, DType::f8e4m3, DType::q8_0};

Tokens tokens_of(std::int64_t count, std::int32_t first) {
    Tokens out;
    for (std::int32_t i = 0; i < count; ++i) out.push_back(3 + (first + 37 * i) % 400);
    return out;
}

/// One part of a step for each text that has tokens left: as many as `pieces` says. The logits behind them, by text.
std::vector<Values> step(LanguageModel& model, const std::vector<Tokens>& texts,
                         const std::vector<std::size_t>& pieces) {
    std::vector<StepPart> parts;
    for (std::size_t s = 0; s < texts.size(); ++s) {
        const auto id = static_cast<std::int64_t>(s);
        const auto left = std::span(texts[s]).subspan(model.tokens(id).size());
        if (const std::size_t n = std::min(pieces[s], left.size()); n > 0)
            parts.push_back({.sequence = id, .tokens = left.first(n)});
    }
    std::vector<Values> out(texts.size());
    const auto results = model.step(parts);
    for (std::size_t i = 0; i < parts.size(); ++i)
        out[std::size_t(parts[i].sequence)].assign(results[i].values.begin(), results[i].values.end());
    return out;
}

}  // namespace

TEST_CASE("for every type of cache and instruction set, a row's bits are the same in any company, chunk and threads") {
    // The model's weights are bf16: but for the exact case activations are rounded to bf16 where the CPU multiplies it.
    std::vector<std::pair<DType, bool>> cases{{DType::f32, true}};
    for (const DType type : kTypes) cases.emplace_back(type, false);
    const auto directory = source_path("models/bundled/tiny-phi3");
    const std::vector<Tokens> texts{tokens_of(21, 5), tokens_of(48, 1), tokens_of(33, 200)};
    const std::vector<std::vector<std::size_t>> steps{{1, 7, 20}, {16, 1, 0}, {0, 30, 1},
                                                      {9, 9, 9},  {1, 1, 1},  {1, 1, 1}};
    for (const IsaKernels& set : isa_kernels()) {
        if (!runs(set.isa)) continue;
        for (const auto& [type, exact] : cases) {
            CAPTURE(name(set.isa));
            CAPTURE(name(type));
            CAPTURE(exact);
            LanguageModelOptions options{.context = 64, .chunk = 64, .cache = type, .passes = {.exact = exact}};
            LoadedModel alone(directory, options, 1, set.kernels());
            options.max_sequences = 3;
            LoadedModel mixed(directory, options, 3, set.kernels());
            for (const std::vector<std::size_t>& pieces : steps) {
                const std::vector<Values> found = step(mixed.model, texts, pieces);
                for (std::size_t s = 0; s < texts.size(); ++s) {
                    if (found[s].empty()) continue;
                    CAPTURE(s);
                    alone.model.truncate(0, 0);
                    const std::size_t length = mixed.model.tokens(std::int64_t(s)).size();
                    CHECK(found[s] == alone.feed(std::span(texts[s]).first(length)));
                }
            }
        }
    }
}

TEST_CASE("the rounder the cache, the farther the logits are from those of an f32 cache, and never far") {
    const auto directory = source_path("models/bundled/tiny-phi3");
    const Tokens text = tokens_of(48, 1);
    const auto logits = [&](DType type) {
        return LoadedModel(directory, exact({.context = 64, .chunk = 64, .cache = type})).feed(text);
    };
    const Values exact = logits(DType::f32);
    const auto error = [&](DType type) {
        const Values found = logits(type);
        double difference = 0, power = 0;
        for (std::size_t i = 0; i < exact.size(); ++i) {
            difference += std::pow(double(found[i]) - double(exact[i]), 2);
            power += std::pow(double(exact[i]), 2);
        }
        return difference / power;
    };
    const double f16 = error(DType::f16), q8_0 = error(DType::q8_0), f8 = error(DType::f8e4m3);
    MESSAGE("NMSE of logits: f16 " << f16 << ", q8_0 " << q8_0 << ", f8e4m3 " << f8);
    CHECK(f16 > 0);
    CHECK(f16 < 1e-6);
    CHECK(q8_0 > f16);
    CHECK(q8_0 < 1e-3);
    CHECK(f8 > q8_0);
}

TEST_CASE("sequences share pages of q8_0 and part ways") {
    LoadedModel loaded(source_path("models/bundled/tiny-phi3"),
                       {.context = 64, .max_sequences = 2, .chunk = 64, .cache = DType::q8_0});
    const Tokens text = tokens_of(21, 5), other = tokens_of(3, 77);  // a page of 16, and five tokens of another
    loaded.feed(text);
    loaded.model.share(0, 1, 21);
    const StepPart parts[] = {{.sequence = 0, .tokens = text}, {.sequence = 1, .tokens = other}};
    const auto results = loaded.model.step(parts);
    const Values first(results[0].values.begin(), results[0].values.end()),
        second(results[1].values.begin(), results[1].values.end());
    for (const auto& [more, found] : {std::pair(text, first), std::pair(other, second)}) {
        loaded.model.truncate(0, 0);
        Tokens whole = text;
        whole.insert(whole.end(), more.begin(), more.end());
        CHECK(loaded.feed(whole) == found);
    }
}
