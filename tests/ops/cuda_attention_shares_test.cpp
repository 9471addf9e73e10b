// Attention on CUDA where blocks share the keys of a token or of a chunk: the result is the reference's, whoever shares
// with whom.
#include "backends/cuda/devices.h"
#include "base/random.h"
#include "ops/attention/attention.h"
#include "ops/attention/attention_splits_cuda.h"
#include "ops/check/kernel_check.h"
#include "ops/common/example_fill.h"
#include "tests/ops/cuda_kernel.h"

#include <doctest/doctest.h>

#include <cmath>

namespace vitro::test {
namespace {

using cuda_emulated::DecodeSplits;
using cuda_emulated::PrefillSplits;

/// How many positions of a sequence the caches hold, and how many tokens of the step are the last of them.
struct Sequence {
    std::int64_t length, tokens;
};

struct Heads {
    std::int64_t q, kv, size;
};

constexpr std::int64_t kSlots = 16;

struct Step {
    std::vector<Sequence> sequences;
    Heads heads;
    DType dtype, cached;
    Attention attention{};

    std::int64_t tokens() const {
        std::int64_t n = 0;
        for (const Sequence& each : sequences) n += each.tokens;
        return n;
    }
    std::int64_t pages() const {  // of a sequence
        std::int64_t longest = 1;
        for (const Sequence& each : sequences) longest = std::max(longest, each.length);
        return (longest + kSlots - 1) / kSlots;
    }

    Example example() const {
        const std::int64_t count = std::ssize(sequences), all_pages = count * pages();
        const auto fill = [*this, all_pages](std::size_t index, const Tensor& tensor, Random& random) {
            auto* at = tensor.as<std::int32_t>();
            for (std::size_t s = 0; s < sequences.size(); ++s)
                for (std::int64_t i = sequences[s].length - sequences[s].tokens; i < sequences[s].length; ++i) {
                    if (index == Attention::kPositions) *at++ = static_cast<std::int32_t>(i);
                    if (index == Attention::kSequences) *at++ = static_cast<std::int32_t>(s);
                }
            if (index == Attention::kLengths)
                for (const Sequence& each : sequences) *at++ = static_cast<std::int32_t>(each.length);
            if (index == Attention::kPageTable) fill_distinct(tensor, all_pages, random);
            return index >= Attention::kPositions;
        };
        const TensorType cache{cached, {all_pages, kSlots, heads.kv, heads.size}};
        return {{{dtype, {tokens(), heads.q, heads.size}},
                 cache,
                 cache,
                 {DType::i32, {tokens()}},
                 {DType::i32, {tokens()}},
                 {DType::i32, {count, pages()}},
                 {DType::i32, {count}}},
                attention,
                {},
                fill};
    }
    template <class Splits>
    Splits splits() const {
        constexpr int kMultiprocessors = 8;  // of the emulation
        return Splits(tokens(), heads.q, heads.kv, heads.size, attention.visibility.most(pages() * kSlots),
                      kMultiprocessors);
    }
};

void check(const Step& step, bool with_special = false) {
    const std::unique_ptr<Backend> backend = cuda_emulated::make_backend();
    const Example example = step.example();
    check::OpCase each(kAttention, example, example.inputs, 1);
    const KernelDef& kernel = cuda_kernel("attention");
    const auto found = each.kernel(kernel, *backend, 0xff);
    const auto differences = check::differences(each, each.reference(), found, each.rounds_between(kernel, *backend));
    for (const std::string& difference : differences) FAIL_CHECK(difference);
    CHECK(each.complaints().empty());
    for (std::uint64_t seed = 1; with_special && seed <= 6; ++seed) {
        check::OpCase special(kAttention, example, example.inputs, seed);
        special.put_special(seed);
        const auto expected = special.reference(), given = special.kernel(kernel, *backend, 0xff);
        const TensorType& type = special.output_types()[0];
        CHECK(check::special_difference(type, expected[0], given[0],
                                        check::decomposition_tolerance(type.dtype, expected[0])) == "");
    }
}

Attention scaled(float scale, Visibility visibility = {}, float softcap = 0) {
    return {.scale = scale, .visibility = visibility, .softcap = softcap};
}

}  // namespace

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

TEST_CASE(
    "prompts by products of four warps: heads of 64, 96 and 128, ragged, with windows, softcaps and shared keys") {
    const Step steps[] = {
        {{{70, 70}}, {2, 1, 64}, DType::bf16, DType::bf16, scaled(0.125f)},
        {{{300, 40}, {150, 30}, {0, 0}}, {2, 1, 96}, DType::f16, DType::f16, scaled(0.1f, {.window = 200}, 0.9f)},
        {{{300, 66}}, {1, 1, 128}, DType::bf16, DType::bf16, scaled(-0.09f)},
        {{{520, 64}}, {1, 1, 64}, DType::f16, DType::f16, scaled(0.125f, {.causal = false})},
    };
    for (const Step& step : steps) {
        CAPTURE(step.heads.size);
        check(step, step.heads.size == 128);
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
