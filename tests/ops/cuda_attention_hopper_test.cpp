// Attention of many tokens by products of four warps: which steps it takes, that it computes what the reference does,
// and that the emulation sees each mistake one could make in it.
#include "backends/emulation/access_counts.h"
#include "backends/emulation/options.h"
#include "tests/ops/attention_steps.h"
#include "tests/ops/cuda_kernel.h"
#include "tests/ops/mistaken_attention.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

namespace vitro::test {

using cuda_emulated::AttentionMistake;

namespace {

/// The kernels that a step of attention launches, by name.
std::vector<std::string> kernels_of(const Step& step) {
    emulation::take_access_counts();
    emulation::options().count_accesses = true;
    CHECK(differences(step, cuda_kernel("attention")).empty());
    emulation::options().count_accesses = false;
    std::vector<std::string> names;
    for (const emulation::AccessCounts& each : emulation::take_access_counts()) names.push_back(each.kernel);
    std::sort(names.begin(), names.end());
    return names;
}

/// What comes of a step with a mistake in the kernel: the fault, "wrong", or nothing.
std::string found_of(AttentionMistake mistake) {
    // Three tiles, so that each place in shared memory has a second one.
    const Step step{{{300, 64}}, {1, 1, 128}, DType::bf16, DType::bf16, scaled(0.1f)};
    cuda_emulated::planted_mistake = mistake;
    try {
        return differences(step, cuda_emulated::kMistakenAttention).empty() ? "" : "wrong";
    } catch (const emulation::Fault& fault) {
        return fault.what();
    }
}

}  // namespace

TEST_CASE("prompts by products of four warps: heads of 64, 96 and 128, ragged, with windows, softcaps, shared keys") {
    const Step steps[] = {
        {{{70, 70}}, {2, 1, 64}, DType::bf16, DType::bf16, scaled(0.125f)},
        {{{300, 40}, {150, 30}, {0, 0}}, {2, 1, 96}, DType::f16, DType::f16, scaled(0.1f, {.window = 200}, 0.9f)},
        {{{200, 66}}, {1, 1, 128}, DType::bf16, DType::bf16, scaled(-0.09f)},
        {{{520, 64}}, {1, 1, 64}, DType::f16, DType::f16, scaled(0.125f, {.causal = false})},
        {{{33, 33}, {140, 20}, {90, 90}}, {6, 2, 64}, DType::f16, DType::f16, scaled(0.12f, {}, 3.0f)},
        {{{129, 129}}, {3, 1, 128}, DType::f16, DType::f16, scaled(0.08f, {.window = 20})},
        {{{700, 64}}, {2, 2, 96}, DType::bf16, DType::bf16, scaled(0.1f, {.window = 600})},
    };
    for (const Step& step : steps) {
        CAPTURE(step.heads.size);
        CAPTURE(step.tokens());
        check(step, step.heads.size == 128);
    }
}

TEST_CASE("which steps go by products of four warps") {
    if (!emulation::accesses_are_checked()) return;
    using Names = std::vector<std::string>;
    const Step step{{{64, 64}}, {1, 1, 64}, DType::bf16, DType::bf16, scaled(0.125f)};
    CHECK(kernels_of(step) == Names{"attention_hopper"});
    Step other = step;
    other.sequences = {{600, 64}};
    CHECK(kernels_of(other) == Names{"attention_combine", "attention_hopper"});
    other.sequences = {{63, 63}};  // most of a group's rows would be empty
    CHECK(kernels_of(other) == Names{"attention_prefill"});
    other = step;
    other.cached = DType::f8e4m3;  // the tensor cores would read it as it is
    CHECK(kernels_of(other) == Names{"attention_prefill"});
    other = step;
    other.heads.size = 80;
    CHECK(kernels_of(other) == Names{"attention_prefill"});
    const emulation::Options before = emulation::options();
    emulation::options().compute_capability = 80;
    CHECK(kernels_of(step) == Names{"attention_prefill"});
    emulation::options().compute_capability = 100;  // wgmma is of 9.0 alone
    CHECK(kernels_of(step) == Names{"attention_prefill"});
    emulation::options() = before;
    setenv("VITRO_CUDA_WGMMA", "0", 1);
    CHECK(kernels_of(step) == Names{"attention_prefill"});
    unsetenv("VITRO_CUDA_WGMMA");
}

TEST_CASE("planted mistakes in attention by products of four warps") {
    using enum AttentionMistake;
    struct Planted {
        AttentionMistake mistake;
        std::string found;
        bool by_accesses = false;  // which sanitizer builds do not check
    };
    const Planted all[] = {
        {none, ""},
        {no_proxy_fence, "missing fence_async_proxy", true},
        {no_copy_wait, "missing cp_async_wait", true},
        {few_arrivals, "race", true},
        {full_too_early, "which nothing has written", true},
        {no_empty_wait, "race", true},
        {no_release, "waits forever at wait_for_phase"},
        {no_product_fence, "missing fence_products"},
        {no_product_wait, "missing wait_for_products"},
        {no_last_wait, "missing wait_for_products"},
        {other_swizzle, "blocks of eight rows of 64 bytes do not begin"},
        {other_leading, "wrong"},
        {other_start, "blocks of eight rows of 128 bytes do not begin at multiples of 1024"},
        {producer_keeps_all, "waits forever at take_registers"},
    };
    for (const Planted& planted : all) {
        if (planted.by_accesses && !emulation::accesses_are_checked()) continue;
        CAPTURE(static_cast<int>(planted.mistake));
        const std::string found = found_of(planted.mistake);
        CHECK_MESSAGE(found.find(planted.found) != std::string::npos, found);
        CHECK_MESSAGE(found.empty() == planted.found.empty(), found);
    }
}

}  // namespace vitro::test
