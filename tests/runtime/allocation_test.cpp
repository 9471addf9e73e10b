// After the first step nothing is allocated. This file takes malloc and its kin away from the C library, counts, and
// passes on; operator new ends in them. Sanitizers want them for themselves: there the test says that it is skipped.
#include "passes/passes.h"
#include "runtime/sampler.h"
#include "tests/runtime/goldens.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__GLIBC__)
#define VITRO_COUNTS_ALLOCATIONS 1
#else
#define VITRO_COUNTS_ALLOCATIONS 0
#endif

#if VITRO_COUNTS_ALLOCATIONS
namespace {
std::atomic<bool> counting{false};
std::atomic<std::int64_t> counted{0};
void count() {
    if (counting.load(std::memory_order_relaxed)) counted.fetch_add(1, std::memory_order_relaxed);
}
}  // namespace

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t bytes) noexcept {
    count();
    return __libc_malloc(bytes);
}
void* calloc(std::size_t n, std::size_t bytes) noexcept {
    count();
    return __libc_calloc(n, bytes);
}
void* realloc(void* old, std::size_t bytes) noexcept {
    count();
    return __libc_realloc(old, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) noexcept {
    count();
    return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
    count();
    return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t bytes) noexcept {
    count();
    *out = __libc_memalign(alignment, bytes);
    return *out == nullptr ? 12 : 0;
}
}
#endif

using namespace vitro;
using namespace vitro::test;

namespace {

/// Allocations of any thread while `work` runs; -1 where they cannot be counted.
template <class Work>
std::int64_t allocations(Work&& work) {
#if VITRO_COUNTS_ALLOCATIONS
    counted = 0;
    counting = true;
    work();
    counting = false;
    return counted;
#else
    work();
    return -1;
#endif
}

bool can_count() {
    if (VITRO_COUNTS_ALLOCATIONS) return true;
    MESSAGE("SKIPPED: a sanitizer or another C library owns the allocator");
    return false;
}

/// Counts in steps of both programs, after a first one of each.
void check_steps(LoadedModel& loaded) {
    for (const Program* program : {&loaded.model.program(Phase::prefill), &loaded.model.program(Phase::decode)})
        for (const Step& step : program->steps)
            CHECK_MESSAGE(!step.is_reference, "no kernel: ", program->graph.node(step.node).op->name);
    Sampler greedy({.logit_bias = {{1, 1.0f}}}, loaded.model.config().vocab_size);
    Sampler random({.temperature = 1, .top_k = 40, .top_p = 0.9f, .min_p = 0.01f, .repetition_penalty = 1.1f},
                   loaded.model.config().vocab_size);
    std::vector<std::int32_t> tokens(20);
    for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<std::int32_t>(3 + i);
    loaded.feed(tokens);                      // a prefill: two chunks and a rest
    loaded.feed(std::span(tokens).first(1));  // a decode step
    loaded.model.truncate(0, 0);

    std::int32_t chosen = 0;
    std::span<const float> logits;
    const auto step = [&](std::span<const std::int32_t> part_tokens) {
        logits = append(loaded.model, {.tokens = part_tokens}).values;
    };
    CHECK(allocations([&] { step(tokens); }) == 0);
    CHECK(allocations([&] {
              for (int i = 0; i < 40; ++i) {
                  step({&chosen, 1});
                  chosen = i % 2 == 0 ? greedy.sample(logits, loaded.model.tokens(0))
                                      : random.sample(logits, loaded.model.tokens(0));
              }
          }) == 0);
    CHECK(allocations([&] { loaded.model.truncate(0, 5); }) == 0);
    CHECK(allocations([&] { step(tokens); }) == 0);
}

}  // namespace

TEST_CASE("the counter sees every way to allocate") {
    if (!can_count()) return;
    void* volatile memory = nullptr;
    CHECK(allocations([] {}) == 0);
    CHECK(allocations([&] { memory = std::malloc(8); }) == 1);
    CHECK(allocations([&] { memory = std::realloc(memory, 1 << 20); }) == 1);
    std::free(memory);
    CHECK(allocations([&] { memory = std::calloc(3, 5); }) == 1);
    std::free(memory);
    CHECK(allocations([&] { memory = std::aligned_alloc(64, 128); }) == 1);
    std::free(memory);
    CHECK(allocations([&] { memory = ::operator new(8); }) == 1);
    ::operator delete(memory);
    CHECK(allocations([&] { memory = ::operator new (64, std::align_val_t{64}); }) == 1);
    ::operator delete (memory, std::align_val_t{64});
    CHECK(allocations([] { std::thread([] { std::vector<int>(100).front() = 1; }).join(); }) > 1);
}

TEST_CASE("after the first step of each program, feeding and sampling allocate nothing") {
    if (!can_count()) return;
    PipelineOptions naive;
    for (const Pass& pass : all_passes()) naive.disabled.emplace(pass.name);
    for (const std::string& name : golden_names()) {
        CAPTURE(name);
        LoadedModel optimized = load_golden(name, {.context = 64, .chunk = 8});
        check_steps(optimized);
        LoadedModel as_written = load_golden(name, {.context = 64, .chunk = 8, .passes = naive});
        check_steps(as_written);
    }
}

TEST_CASE("steps of several sequences allocate nothing") {
    if (!can_count()) return;
    LoadedModel loaded = load_golden(
        "phi3_gqa", {.context = 64, .max_sequences = 3, .chunk = 20, .all_logits = true, .hidden_states = true});
    const std::vector<std::int32_t> tokens{3, 4, 5, 6, 7, 8, 9};
    const std::span all(tokens);
    const StepPart prompts[] = {{.sequence = 2, .tokens = all, .want = Want::log_probabilities, .all_rows = true},
                                {.sequence = 0, .tokens = all.first(3), .want = Want::hidden_states},
                                {.sequence = 1, .tokens = all, .want = Want::nothing}};
    const StepPart next[] = {{.sequence = 1, .tokens = all.first(1), .want = Want::token},
                             {.sequence = 2, .tokens = all.first(1)}};
    loaded.model.step(prompts);
    loaded.model.step(next);
    CHECK(allocations([&] {
              loaded.model.step(prompts);
              for (int i = 0; i < 10; ++i) loaded.model.step(next);
          }) == 0);
    CHECK(allocations([&] {
              loaded.model.share(2, 1, 5);
              loaded.model.step(next);  // copies the page that both have
          }) == 0);
}
