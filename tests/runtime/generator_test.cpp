#include "runtime/generator.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/tiny_text_model.h"

#include <doctest/doctest.h>

using namespace vitro;
using namespace vitro::test;

namespace {

using Tokens = std::vector<std::int32_t>;

constexpr std::int32_t kA = 270, kTheWord = 261, kEnd = 2, kFirstByteOfE = kSmallBytes + 0xc3;

struct TextModel {
    TempDir directory;
    std::optional<LoadedModel> loaded;
    std::optional<Tokenizer> tokenizer;
    std::string streamed;

    TextModel() {
        write_tiny_text_model(directory.path());
        loaded.emplace(directory.path());
        tokenizer = Tokenizer::load(directory.path(), kSmallVocab);
    }

    Generation generate(const Tokens& prompt, const GenerationOptions& options) {
        streamed.clear();
        return vitro::generate(loaded->model, 0, *tokenizer, prompt, options,
                               [&](std::string_view text) { streamed += text; });
    }
};

/// Options that always choose this token.
GenerationOptions always(std::int32_t token) {
    GenerationOptions options;
    options.sampling.logit_bias[token] = 1e6f;
    return options;
}

Tokens prompt_of(std::size_t size) {
    Tokens prompt;
    for (std::size_t i = 0; i < size; ++i) prompt.push_back(static_cast<std::int32_t>(259 + i * 7 % 20));
    return prompt;
}

}  // namespace

TEST_CASE("max_tokens ends a text, with the reason length") {
    TextModel model;
    GenerationOptions options = always(kA);
    for (const std::int64_t n : {0, 1, 5}) {
        options.max_tokens = n;
        const Generation out = model.generate(prompt_of(4), options);
        CHECK(out.tokens == Tokens(static_cast<std::size_t>(n), kA));
        CHECK(out.text == std::string(static_cast<std::size_t>(n), 'a'));
        CHECK(model.streamed == out.text);
        CHECK(out.finish_reason == FinishReason::length);
        CHECK(name(out.finish_reason) == "length");
    }
}

TEST_CASE("without max_tokens a text goes on to the end of the context") {
    TextModel model;
    const Generation out = model.generate(prompt_of(4), always(kA));
    CHECK(out.tokens.size() == 60);
    CHECK(out.finish_reason == FinishReason::context);
    CHECK(name(out.finish_reason) == "context");
    GenerationOptions all_that_fits = always(kA);
    all_that_fits.max_tokens = 60;
    CHECK(model.generate(prompt_of(4), all_that_fits).finish_reason == FinishReason::length);
    all_that_fits.max_tokens = 61;
    CHECK(model.generate(prompt_of(4), all_that_fits).finish_reason == FinishReason::context);
    CHECK(model.generate(prompt_of(63), always(kA)).tokens.size() == 1);
}

TEST_CASE("an end token ends a text, counts as a token, and is no text") {
    TextModel model;
    GenerationOptions options = always(kEnd);
    options.end_tokens = {7, kEnd};
    const Generation out = model.generate(prompt_of(4), options);
    CHECK(out.tokens == Tokens{kEnd});
    CHECK(out.text.empty());
    CHECK(out.finish_reason == FinishReason::stop);
    CHECK(name(out.finish_reason) == "stop");
}

TEST_CASE("a stop string ends a text before it, and what might become one is held back") {
    TextModel model;
    GenerationOptions options = always(kTheWord);
    options.stop = {"xyz", "e th"};
    const Generation out = model.generate(prompt_of(4), options);
    CHECK(out.text == " th");
    CHECK(model.streamed == " th");
    CHECK(out.tokens == Tokens{kTheWord, kTheWord});
    CHECK(out.finish_reason == FinishReason::stop);
    options.stop = {"e thin"};  // begins again and again, never completes
    options.max_tokens = 3;
    const Generation whole = model.generate(prompt_of(4), options);
    CHECK(whole.text == " the the the");
    CHECK(model.streamed == whole.text);
    CHECK(whole.finish_reason == FinishReason::length);
    options.stop = {""};
    CHECK_THROWS_AS(model.generate(prompt_of(4), options), Error);
}

TEST_CASE("half a character at the end becomes U+FFFD, and is streamed only then") {
    TextModel model;
    GenerationOptions options = always(kFirstByteOfE);
    options.max_tokens = 1;
    CHECK(model.generate(prompt_of(4), options).text == "\xef\xbf\xbd");
    CHECK(model.streamed == "\xef\xbf\xbd");
}

TEST_CASE("interruption ends a text with what there is") {
    TextModel model;
    std::atomic<bool> interrupted{false};
    GenerationOptions options = always(kA);
    options.interrupted = &interrupted;
    std::string text;
    const Generation out =
        generate(model.loaded->model, 0, *model.tokenizer, prompt_of(4), options, [&](std::string_view piece) {
            text += piece;
            interrupted = text.size() == 3;
        });
    CHECK(out.finish_reason == FinishReason::interrupted);
    CHECK(out.text == "aaa");
    CHECK(text == "aaa");
    CHECK(name(out.finish_reason) == "interrupted");
}

TEST_CASE("prompts that do not fit are refused with both numbers") {
    TextModel model;
    const auto error_of = [&](const Tokens& prompt) {
        try {
            model.generate(prompt, {});
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string("(no error)");
    };
    CHECK(error_of({}) == "the prompt has no tokens: expected at least one");
    CHECK(error_of(prompt_of(64)).find("the prompt is 64 tokens long, but the context of 64 has room for 63") == 0);
    CHECK(error_of({3, kSmallVocab}).find("token id 290: expected an id in [0, 290)") == 0);
    CHECK(error_of(prompt_of(63)) == "(no error)");
}

TEST_CASE("what the cache has of a prompt is not computed again, and changes nothing") {
    TextModel model;
    GenerationOptions options{.max_tokens = 6};
    const auto expect_as_new = [&](const Tokens& prompt, std::int64_t cached) {
        CAPTURE(prompt.size());
        const Generation out = model.generate(prompt, options);
        CHECK(out.cached_tokens == cached);
        TextModel fresh;
        const Generation alone = fresh.generate(prompt, options);
        CHECK(alone.cached_tokens == 0);
        CHECK(out.tokens == alone.tokens);
        CHECK(out.text == alone.text);
        return out;
    };
    Tokens prompt = prompt_of(8);
    const Generation first = expect_as_new(prompt, 0);
    expect_as_new(prompt, 7);  // all but the last, whose logits are wanted
    // A second turn: the prompt, the answer without its last token (never fed), and more.
    prompt.insert(prompt.end(), first.tokens.begin(), first.tokens.end());
    prompt.insert(prompt.end(), {275, 276});
    expect_as_new(prompt, 8 + 5);
    Tokens other = prompt;
    other[3] = 279;
    expect_as_new(other, 3);
    expect_as_new({279}, 0);
}

TEST_CASE("a text cut back from the long rope factors to the short ones is computed with the short ones") {
    TextModel model;  // the border is at 32 tokens
    const auto check_as_new = [&](std::size_t size) {
        CAPTURE(size);
        const Tokens prompt = prompt_of(size);
        TextModel fresh;
        model.loaded->model.truncate(0, static_cast<std::int64_t>(size) - 1);
        CHECK(model.loaded->feed(std::span(prompt).last(1)) == fresh.loaded->feed(prompt));
    };
    model.loaded->feed(prompt_of(50));
    check_as_new(40);
    check_as_new(20);
    const Tokens longer = prompt_of(45);
    model.loaded->feed(std::span(longer).subspan(20));
    check_as_new(33);
    check_as_new(32);
}

TEST_CASE("without the cache the same text comes, and nothing is taken from it") {
    for (const float temperature : {0.0f, 1.5f}) {
        TextModel model;
        GenerationOptions options{.max_tokens = 40};
        options.sampling.temperature = temperature;
        const Generation with = model.generate(prompt_of(10), options);
        options.use_cache = false;
        const Generation without = model.generate(prompt_of(10), options);
        CHECK(without.cached_tokens == 0);
        CHECK(with.tokens == without.tokens);
        CHECK(with.text == without.text);
    }
}

TEST_CASE("the seed decides a text, the number of threads does not") {
    const TempDir directory;
    write_tiny_text_model(directory.path());
    const Tokenizer tokenizer = Tokenizer::load(directory.path(), kSmallVocab);
    const auto tokens = [&](int threads, std::uint64_t seed) {
        LoadedModel loaded(directory.path(), {}, threads);
        GenerationOptions options{.max_tokens = 40, .sampling = {.temperature = 2, .seed = seed}};
        return generate(loaded.model, 0, tokenizer, prompt_of(5), options, [](std::string_view) {}).tokens;
    };
    const Tokens one = tokens(1, 11);
    CHECK(one.size() == 40);
    CHECK(tokens(3, 11) == one);
    CHECK(tokens(1, 12) != one);
}
