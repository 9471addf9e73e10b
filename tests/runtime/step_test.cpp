// The one door to a model: what a step gives, what it refuses, and that a step that fails changes nothing.
#include "base/half.h"
#include "runtime/errors.h"
#include "tests/frontend/temp_dir.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/tiny_model.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace vitro;
using namespace vitro::test;

namespace {

using Tokens = std::vector<std::int32_t>;
using Values = std::vector<float>;

Values copy(std::span<const float> values) { return {values.begin(), values.end()}; }

Tokens tokens_of(std::size_t count, std::int32_t first) {
    Tokens out;
    for (std::size_t i = 0; i < count; ++i) out.push_back(3 + (first + 7 * static_cast<std::int32_t>(i)) % 40);
    return out;
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
    REQUIRE(a.size() == b.size());
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(double(a[i]) - double(b[i])));
    return worst;
}

std::int32_t argmax(std::span<const float> values) {
    return static_cast<std::int32_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

template <class Action>
std::string error_of(Action&& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.what();
    }
    return "(no error)";
}

/// The CPU's kernels, of which embed, the first of every step, fails when `steps_until_failure` has come to 0.
int steps_until_failure = -1;
std::vector<KernelDef> failing_kernels() {
    static void (*embed)(const Call&) = nullptr;
    std::vector<KernelDef> out(cpu_kernels().begin(), cpu_kernels().end());
    for (KernelDef& kernel : out) {
        if (kernel.op != "embed") continue;
        embed = kernel.run;
        kernel.run = [](const Call& call) {
            if (steps_until_failure == 0) fail("injected");
            if (steps_until_failure > 0) --steps_until_failure;
            embed(call);
        };
    }
    return out;
}

}  // namespace

TEST_CASE("each part of a step gets what it wants, whatever the others want") {
    const LanguageModelOptions options =
        exact({.context = 64, .max_sequences = 5, .chunk = 40, .all_logits = true, .hidden_states = true});
    LoadedModel mixed = load_golden("phi3_gqa", options),
                alone = load_golden("phi3_gqa", exact({.context = 64, .chunk = 40}));
    const Tokens a = tokens_of(7, 1), b = tokens_of(1, 5), c = tokens_of(6, 9), d = tokens_of(4, 2),
                 e = tokens_of(3, 30);
    const StepPart parts[] = {{.sequence = 3, .tokens = a},
                              {.sequence = 0, .tokens = b, .want = Want::token},
                              {.sequence = 4, .tokens = c, .want = Want::log_probabilities, .all_rows = true},
                              {.sequence = 1, .tokens = d, .want = Want::hidden_states, .all_rows = true},
                              {.sequence = 2, .tokens = e, .want = Want::nothing}};
    const auto results = mixed.model.step(parts);
    REQUIRE(results.size() == 5);
    const auto expected = [&](const Tokens& tokens) {
        alone.model.truncate(0, 0);
        return alone.feed(tokens);
    };
    const auto vocab = static_cast<std::size_t>(mixed.model.config().vocab_size);
    CHECK(largest_difference(results[0].values, expected(a)) == 0);
    CHECK(results[0].tokens.empty());
    CHECK(results[1].tokens.size() == 1);
    CHECK(results[1].tokens[0] == argmax(expected(b)));
    CHECK(results[4].values.empty());
    CHECK(results[4].tokens.empty());

    REQUIRE(results[2].values.size() == c.size() * vocab);
    for (std::size_t row = 0; row < c.size(); ++row) {
        const Values logits = expected(Tokens(c.begin(), c.begin() + static_cast<std::ptrdiff_t>(row) + 1));
        double sum = 0;
        for (const float x : logits) sum += std::exp(double(x));
        Values wanted;
        for (const float x : logits) wanted.push_back(static_cast<float>(double(x) - std::log(sum)));
        CHECK(largest_difference(results[2].values.subspan(row * vocab, vocab), wanted) <= 1e-5);
    }

    // Hidden states times the head are the logits.
    const auto hidden_size = static_cast<std::size_t>(mixed.model.config().hidden_size);
    REQUIRE(results[3].values.size() == d.size() * hidden_size);
    const Checkpoint checkpoint = Checkpoint::open(source_path("tests/golden/phi3_gqa"));
    const Tensor head = checkpoint.at("lm_head.weight").tensor();
    Values product(vocab);
    const auto last = results[3].values.last(hidden_size);
    dispatch_float(head.dtype, [&]<class T>(T) {
        for (std::size_t v = 0; v < vocab; ++v) {
            double sum = 0;
            for (std::size_t i = 0; i < hidden_size; ++i)
                sum += double(float(head.as<T>()[v * hidden_size + i])) * double(last[i]);
            product[v] = static_cast<float>(sum);
        }
    });
    CHECK(largest_difference(product, expected(d)) <= 1e-4);
    for (const StepPart& part : parts)
        CHECK(std::equal(part.tokens.begin(), part.tokens.end(), mixed.model.tokens(part.sequence).begin(),
                         mixed.model.tokens(part.sequence).end()));
}

TEST_CASE("pieces of a prompt go in the same steps as single tokens of others") {
    const LanguageModelOptions options{.context = 64, .max_sequences = 2, .chunk = 6};
    LoadedModel model = load_golden("llama_gqa_tied", options), alone = load_golden("llama_gqa_tied", options);
    const Tokens prompt = tokens_of(20, 3), start = tokens_of(5, 11);
    Tokens written = start;
    std::int32_t next = argmax(append(model.model, {.sequence = 1, .tokens = start}).values);
    Values last;
    for (std::size_t done = 0; done < prompt.size(); done += 5) {
        const StepPart parts[] = {
            {.sequence = 1, .tokens = {&next, 1}, .want = Want::token},
            {.sequence = 0, .tokens = std::span(prompt).subspan(done, 5), .length = std::ssize(prompt)}};
        const auto results = model.model.step(parts);
        written.push_back(next);
        next = results[0].tokens[0];
        last = copy(results[1].values);
    }
    CHECK(largest_difference(last, alone.feed(prompt)) == 0);
    CHECK(std::equal(written.begin(), written.end(), model.model.tokens(1).begin(), model.model.tokens(1).end()));
    alone.model.truncate(0, 0);
    CHECK(next == argmax(alone.feed(written)));
}

TEST_CASE("what cannot be is an error, and nothing has changed") {
    LoadedModel loaded = load_golden("phi3_gqa", {.context = 40, .max_sequences = 2, .chunk = 16});
    LanguageModel& model = loaded.model;
    const Tokens tokens = tokens_of(9, 4), many = tokens_of(17, 4), too_long = tokens_of(41, 4), unknown{3, -1};
    const Values first = loaded.feed(tokens);
    const std::int64_t free = model.free_pages();
    const std::span<const std::int32_t> some = std::span(tokens).first(2);
    const auto refused = [&](std::vector<StepPart> parts) {
        const std::string error = error_of([&] { model.step(parts); });
        CHECK(std::equal(tokens.begin(), tokens.end(), model.tokens(0).begin(), model.tokens(0).end()));
        CHECK(model.tokens(1).empty());
        CHECK(model.free_pages() == free);
        return error;
    };
    const StepPart good{.sequence = 1, .tokens = some};
    CHECK(refused({good, {.sequence = 2, .tokens = some}}) == "sequence 2: expected one in [0, 2)");
    CHECK(refused({good, {.sequence = -1, .tokens = some}}) == "sequence -1: expected one in [0, 2)");
    CHECK(refused({good, good}) == "sequence 1: expected once in a step, found twice");
    CHECK(refused({good, {.sequence = 0}}) == "sequence 0: expected at least one token to append, found none");
    CHECK(refused({good, {.sequence = 0, .tokens = unknown}}).starts_with("token id -1: expected an id in [0, "));
    CHECK(refused({{.sequence = 1, .tokens = many}}) == "a step: expected at most 16 tokens, found 17");
    CHECK(refused({{.sequence = 1, .tokens = too_long}}) ==
          "the text is 41 tokens long, but the context has room for 40");
    CHECK(refused({good, {.sequence = 0, .tokens = some, .length = 41}}).starts_with("the text is 41 tokens long"));
    CHECK(refused({good, {.sequence = 0, .tokens = some, .all_rows = true}}) ==
          "rows of all tokens: expected a model that was opened with the option all_logits");
    CHECK(refused({good, {.sequence = 0, .tokens = some, .want = Want::hidden_states}}) ==
          "hidden states: expected a model that was opened with the option hidden_states");
    CHECK(error_of([&] { append(model, {.sequence = 1, .tokens = too_long}); }).starts_with("the text is 41 tokens"));
    CHECK(error_of([&] { model.truncate(2, 0); }) == "sequence 2: expected one in [0, 2)");
    CHECK(error_of([&] { model.truncate(0, -1); }) == "sequence 0: expected a length of at least 0, found -1");
    CHECK(error_of([&] { model.share(0, 0, 1); }) ==
          "sequence 0: expected a different sequence to share its tokens with");
    CHECK(error_of([&] { model.share(0, 1, 10); }) == "sequence 0: expected a length in [0, 9], found 10");
    CHECK(error_of([&] { model.tokens(7); }) == "sequence 7: expected one in [0, 2)");
    CHECK(model.step({}).empty());
    // And the model goes on as if nothing had been asked.
    LoadedModel fresh = load_golden("phi3_gqa", {.context = 40, .max_sequences = 2, .chunk = 16});
    CHECK(fresh.feed(tokens) == first);
    CHECK(loaded.feed(some) == fresh.feed(some));
}

TEST_CASE("a step that fails on the device changes nothing, wherever it fails, and reaches no later step") {
    const auto kernels = failing_kernels();
    for (const char* name : {"phi3_gqa", "phi3_longrope_crossing"}) {  // the second recomputes its keys on the way
        CAPTURE(name);
        LanguageModelOptions options{.context = 64, .max_sequences = 2, .chunk = 8, .choose_tokens = true};
        LoadedModel model = load_golden(name, options, 1, kernels), fresh = load_golden(name, options, 1);
        const Tokens all = tokens_of(45, 6);
        for (std::size_t done = 0; done < all.size();) {
            const auto piece = std::span(all).subspan(done, std::min<std::size_t>(5, all.size() - done));
            const Tokens before(model.model.tokens(1).begin(), model.model.tokens(1).end());
            const std::int64_t free = model.model.free_pages();
            const StepPart part{.sequence = 1, .tokens = piece, .want = Want::token, .sample = {.temperature = 9}};
            // Fails in its first step, then in the second, and so on, until it does not any more.
            for (int failing = 0;; ++failing) {
                steps_until_failure = failing;
                const std::string error = error_of([&] { model.model.step({&part, 1}); });
                const bool failed = steps_until_failure == 0 && error == "injected";
                steps_until_failure = -1;
                if (!failed) {
                    CHECK(error == "(no error)");
                    break;
                }
                CHECK(failing < 20);
                CHECK(Tokens(model.model.tokens(1).begin(), model.model.tokens(1).end()) == before);
            }
            done += piece.size();
            CHECK(model.model.free_pages() <= free);
            fresh.model.step({&part, 1});
        }
        CHECK(Tokens(model.model.tokens(1).begin(), model.model.tokens(1).end()) == all);
        const StepPart next{.sequence = 1, .tokens = std::span(all).first(1)};
        CHECK(copy(model.model.step({&next, 1})[0].values) == copy(fresh.model.step({&next, 1})[0].values));
        CHECK(model.model.free_pages() == fresh.model.free_pages());
    }
}

TEST_CASE("logits that are not finite end a run with an error that says so, however the token is chosen") {
    for (const float wrong : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        for (const bool device_chooses : {false, true}) {
            CAPTURE(wrong);
            CAPTURE(device_chooses);
            const TempDir directory;
            write_tiny_model(directory.path());
            std::vector<OwnedTensor> tensors = tiny_tensors();
            for (OwnedTensor& tensor : tensors)
                if (tensor.name == "lm_head.weight")
                    for (std::size_t i = 0; i < 16; ++i) tensor.values[11 * 16 + i] = wrong;
            write_tensors(directory / "model.safetensors", tensors);
            LoadedModel loaded(directory.path(), {.hidden_states = true, .choose_tokens = device_chooses});
            const Tokens tokens{4, 5, 6};
            for (const Want want : {Want::logits, Want::log_probabilities, Want::token}) {
                const StepPart part{.tokens = tokens, .want = want};
                const std::string error = error_of([&] { loaded.model.step({&part, 1}); });
                CAPTURE(error);
                CHECK(error.find("the logits hold ") == 0);
                CHECK(error.find("expected numbers") != std::string::npos);
                CHECK(loaded.model.tokens(0).empty());
            }
            const StepPart hidden{.tokens = tokens, .want = Want::hidden_states};  // these are what they should be
            CHECK_NOTHROW(loaded.model.step({&hidden, 1}));
        }
    }
}

TEST_CASE("sequences share a beginning without computing it again, and part ways") {
    for (const std::int64_t shared : {std::int64_t{16}, std::int64_t{21}}) {  // whole pages, and a part of one
        CAPTURE(shared);
        const LanguageModelOptions options{.context = 64, .max_sequences = 3, .chunk = 64};
        LoadedModel model = load_golden("phi3_gqa", options), alone = load_golden("phi3_gqa", options);
        const Tokens prefix = tokens_of(24, 8), other{9, 8, 7, 6, 5}, third{30, 31};
        model.feed(prefix);
        const std::int64_t free = model.model.free_pages();
        model.model.share(0, 1, shared);
        model.model.share(1, 2, shared);
        CHECK(model.model.free_pages() == free);
        const StepPart parts[] = {{.sequence = 1, .tokens = other}, {.sequence = 2, .tokens = third}};
        const auto results = model.model.step(parts);
        const Values second = copy(results[0].values), third_logits = copy(results[1].values);
        const auto expected = [&](const Tokens& more) {
            alone.model.truncate(0, 0);
            Tokens whole(prefix.begin(), prefix.begin() + shared);
            whole.insert(whole.end(), more.begin(), more.end());
            return alone.feed(whole);
        };
        CHECK(largest_difference(second, expected(other)) == 0);
        CHECK(largest_difference(third_logits, expected(third)) == 0);
        // The first goes on from its own tokens.
        const Values first = model.feed(third);
        alone.model.truncate(0, 0);
        Tokens whole = prefix;
        whole.insert(whole.end(), third.begin(), third.end());
        CHECK(largest_difference(first, alone.feed(whole)) == 0);
    }
}

TEST_CASE("shared keys that are turned by other rope factors later stay as they are for the others") {
    const LanguageModelOptions options{.context = 64, .max_sequences = 2, .chunk = 16};
    LoadedModel model = load_golden("phi3_longrope_crossing", options),
                alone = load_golden("phi3_longrope_crossing", options);
    const std::int64_t border = model.model.config().ropes[0].original_max_positions;
    REQUIRE(border + 4 < 64);
    const Tokens all = tokens_of(static_cast<std::size_t>(border + 4), 5);
    const auto begin = std::span(all).first(static_cast<std::size_t>(border - 2));
    model.feed(begin);
    model.model.share(0, 1, std::ssize(begin));
    // Sequence 1 crosses the border, sequence 0 stays before it.
    const auto longer = append(model.model, {.sequence = 1, .tokens = std::span(all).subspan(begin.size())});
    CHECK(largest_difference(copy(longer.values), alone.feed(all)) == 0);
    alone.model.truncate(0, 0);
    const Tokens one{12};
    alone.feed(begin);
    CHECK(model.feed(one) == alone.feed(one));
}

TEST_CASE(
    "a cache with fewer pages than all sequences could fill refuses when it is full, and goes on when it is not") {
    LoadedModel loaded = load_golden("phi3_gqa", {.context = 48, .max_sequences = 3, .chunk = 48, .cache_tokens = 40});
    LanguageModel& model = loaded.model;
    CHECK(model.free_pages() == 3);  // of 16 tokens each
    const Tokens tokens = tokens_of(33, 2), one{5};
    const Values whole = loaded.feed(tokens);
    const StepPart next{.sequence = 1, .tokens = one};
    CHECK_THROWS_WITH_AS(model.step({&next, 1}), "the KV cache is full: all 3 pages of 16 tokens are in use",
                         ContextError);
    CHECK(model.tokens(1).empty());
    model.truncate(0, 32);
    CHECK_NOTHROW(model.step({&next, 1}));
    model.truncate(1, 0);
    CHECK(loaded.feed(std::span(tokens).last(1)) == whole);
}
