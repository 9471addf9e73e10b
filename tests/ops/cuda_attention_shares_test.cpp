// Attention on CUDA where blocks share the keys of a token or of a chunk: the result is the reference's, whoever shares
// with whom.
#include "ops/attention/attention_splits_cuda.h"
#include "tests/ops/attention_steps.h"

#include <doctest/doctest.h>

#include <cmath>

namespace vitro::test {

using cuda_emulated::DecodeSplits;
using cuda_emulated::PrefillSplits;

TEST_CASE("a chunk after a long context: blocks share its keys, and their parts become one result") {
    const Step steps[] = {
        {{{600, 20}}, {2, 1, 64}, DType::bf16, DType::bf16, scaled(0.125f)},
        {{{700, 12}, {300, 9}, {0, 0}}, {3, 1, 80}, DType::f16, DType::f8e4m3, scaled(0.11f, {.window = 530}, 0.7f)},
        {{{530, 16}}, {1, 1, 256}, DType::bf16, DType::f8e4m3, scaled(-0.06f)},
        {{{900, 17}, {40, 40}}, {8, 2, 96}, DType::f16, DType::f16, scaled(0.1f, {.causal = false})},
        {{{520, 70}}, {2, 1, 128}, DType::bf16, DType::bf16, scaled(0.09f, {}, 2.0f)},
    };
    for (const Step& step : steps) {
        CAPTURE(step.heads.size);
        CHECK(step.splits<PrefillSplits>().count > 1);
        check(step, step.heads.size == 64);
    }
}

TEST_CASE("tokens of very different lengths: those that have more than their share of the keys have several blocks") {
    std::vector<Sequence> forty(40, {10, 1});
    forty[33] = {1200, 1};
    forty[2] = {0, 0};
    const Step steps[] = {
        {forty, {4, 4, 64}, DType::bf16, DType::bf16, scaled(0.125f)},
        {{{30, 1}, {900, 1}, {1, 1}, {200, 1}, {70, 1}}, {9, 3, 96}, DType::f16, DType::f8e4m3, scaled(0.1f)},
        {{{600, 3}, {90, 1}, {500, 2}}, {10, 1, 128}, DType::bf16, DType::bf16, scaled(0.09f, {.window = 400})},
    };
    for (const Step& step : steps) {
        CAPTURE(step.heads.size);
        CHECK(step.splits<DecodeSplits>().slots > step.tokens());
        check(step, step.heads.size == 96);
    }
}

TEST_CASE("tokens of one length share the blocks that a device has at once; of more tokens each has one") {
    const auto splits_of = [](std::int64_t tokens) { return DecodeSplits(tokens, 32, 32, 96, 4096, 132); };
    CHECK(splits_of(1).ways == 8);
    CHECK(splits_of(1).slots == 8);
    // Of 1000 keys each: by how many blocks a token's are shared.
    const auto blocks_of = [&](int tokens) {
        const int divisor = DecodeSplits::divisor(tokens, splits_of(tokens).ways);
        return static_cast<int>(std::ceil(1000.0 * divisor / (1000.0 * tokens)));
    };
    CHECK(blocks_of(1) == 8);
    CHECK(blocks_of(2) == 4);
    CHECK(blocks_of(4) == 2);
    for (const int tokens : {5, 8, 16, 100}) CHECK(blocks_of(tokens) == 1);
    CHECK(splits_of(129).ways == 0);
    CHECK(splits_of(129).slots == 129);
    // Memory for the parts of fewer tokens is among that for more.
    for (std::int64_t tokens = 1; tokens < 200; ++tokens)
        CHECK(splits_of(tokens).most_bytes <= splits_of(tokens + 1).most_bytes);
}

}  // namespace vitro::test
