// The bundled model gives, token for token, the greedy completions that transformers gave when it was made
// (models/bundled/check.py writes expected.json). It ships: where it is absent these tests fail.
#include "frontend/chat_format.h"
#include "runtime/generator.h"
#include "tests/paths.h"
#include "tests/runtime/goldens.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

using namespace vitro;
using namespace vitro::test;

namespace {

struct Expected {
    std::string prompt;
    bool chat = false;
    std::vector<std::int32_t> prompt_ids;  // may be absent in the file
    std::string prefix;
    std::vector<std::int32_t> ids;
};

std::filesystem::path bundled() { return source_path("models/bundled/tiny-phi3"); }

std::vector<std::int32_t> ids_of(const JsonValue& list) {
    std::vector<std::int32_t> out;
    for (const JsonValue& id : list.array())
        out.push_back(static_cast<std::int32_t>(id.integer(0, std::int64_t{1} << 30)));
    return out;
}

std::vector<Expected> expected() {
    std::vector<Expected> out;
    for (const JsonValue& row : JsonValue::read(bundled() / "expected.json").array()) {
        out.push_back({std::string(row.at("prompt").string()),
                       row.at("chat").boolean(),
                       {},
                       std::string(row.at("greedy_text_prefix").string()),
                       ids_of(row.at("expected_ids"))});
        if (const auto prompt_ids = row.given("prompt_ids")) out.back().prompt_ids = ids_of(*prompt_ids);
    }
    return out;
}

/// Completes every expected prompt.
void check_completions(const LanguageModelOptions& model_options) {
    const std::vector<Expected> rows = expected();
    CHECK(rows.size() >= 45);
    LoadedModel loaded(bundled(), model_options, 1);  // a test beside others: threads would wait for each other
    const ModelConfig& config = loaded.model.config();
    const GenerationConfig generation = read_generation_config(bundled(), config);
    const Tokenizer tokenizer = Tokenizer::load(bundled(), config.vocab_size);
    const ChatFormat format =
        ChatFormat::load(bundled(), {{"bos_token", std::string(tokenizer.piece(*tokenizer.bos_id()))},
                                     {"eos_token", std::string(tokenizer.piece(*tokenizer.eos_id()))}});
    for (const Expected& row : rows) {
        CAPTURE(row.prompt);
        const Message message{"user", row.prompt};
        const auto prompt =
            row.chat ? tokenizer.encode(format.format({&message, 1}, true), false) : tokenizer.encode(row.prompt);
        if (!row.prompt_ids.empty()) CHECK(prompt == row.prompt_ids);
        GenerationOptions options;
        options.max_tokens = static_cast<std::int64_t>(row.ids.size());
        options.end_tokens = generation.eos_token_ids;
        const Generation out = generate(loaded.model, 0, tokenizer, prompt, options, [](std::string_view) {});
        CHECK(out.tokens == row.ids);
        CAPTURE(out.text);
        CHECK(out.text.starts_with(row.prefix));
    }
}

}  // namespace

TEST_CASE("the bundled model completes every expected prompt as in transformers, token for token") {
    check_completions({});
}

TEST_CASE(
    "the bundled model's greedy text is the same with no activation rounded, with all in bf16, and with weights in "
    "q8_0") {
    check_completions({.activation = DType::bf16, .cache = DType::bf16});
    check_completions(exact());  // the test before this one rounds activations to bf16 where the CPU multiplies bf16
    LanguageModelOptions q8_0;
    q8_0.passes.enabled = {"weights_to_blocks"};
    q8_0.passes.block_type = DType::q8_0;
    check_completions(q8_0);
    q8_0.passes.exact = true;
    check_completions(q8_0);
}

TEST_CASE("what the project promises of the bundled model is among the expected completions") {
    const std::vector<Expected> rows = expected();
    const auto expects = [&](std::string_view prompt, bool chat, std::string_view prefix) {
        return std::any_of(rows.begin(), rows.end(), [&](const Expected& row) {
            return row.prompt == prompt && row.chat == chat && row.prefix.starts_with(prefix);
        });
    };
    CHECK(expects("The capital of France is", false, " Paris"));
    CHECK(expects("The Shawshank", false, " Redemption"));
    CHECK(expects("Write an email apologizing to Sarah for the tragic gardening mishap. Explain how it happened.", true,
                  "Dear Sarah"));
    const auto capitals = std::count_if(rows.begin(), rows.end(), [](const Expected& row) {
        return row.prompt.starts_with("The capital of ") && row.prompt.ends_with(" is");
    });
    CHECK(capitals >= 41);
}

TEST_CASE("the bundled model is at most 12 MB") {
    std::uintmax_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(bundled()))
        if (entry.is_regular_file()) bytes += entry.file_size();
    CHECK(bytes > 1'000'000);
    CHECK(bytes <= 12'000'000);
}
