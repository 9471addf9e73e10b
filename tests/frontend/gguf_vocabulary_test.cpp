// Tokenizers as GGUF files carry them.
#include "frontend/tokenizer/gguf_vocabulary.h"
#include "base/error.h"
#include "tests/frontend/tokenizer_files.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

using namespace vitro;
using Ids = std::vector<std::int32_t>;

namespace {

Tokenizer tokenizer_of(const GgufVocabulary& vocabulary) {
    return Tokenizer(gguf_tokenizer(vocabulary, "x.gguf"), static_cast<std::int64_t>(vocabulary.tokens.size()));
}

std::string error_of(const GgufVocabulary& vocabulary) {
    try {
        gguf_tokenizer(vocabulary, "x.gguf");
    } catch (const Error& error) {
        return error.what();
    }
    return "(no error)";
}

GgufVocabulary gpt2() {
    return {.model = "gpt2",
            .pre = "smollm",
            .tokens = {"<|end|>", "1", "2", "a", "b", "Ġ", "ab", "Ġab", "12", "Ċ"},
            .token_types = {3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
            .merges = {"a b", "Ġ ab", "1 2"},
            .bos_token_id = 0};
}

GgufVocabulary llama() {
    GgufVocabulary v{.model = "llama"};
    v.tokens = {"<unk>", "<s>", "</s>"};
    v.token_types = {2, 3, 3};
    for (int byte = 0; byte < 256; ++byte) {
        v.tokens.push_back(fmt::format("<0x{:02X}>", byte));
        v.token_types.push_back(6);
    }
    for (const std::string_view word : {"▁", "a", "b", "▁a", "ab", "   "}) {
        v.tokens.emplace_back(word);
        v.token_types.push_back(word == "   " ? 4 : 1);
    }
    for (std::size_t i = 0; i < v.tokens.size(); ++i) v.scores.push_back(-static_cast<float>(i));
    v.bos_token_id = 1;
    v.eos_token_id = 2;
    return v;
}

GgufVocabulary bert() {
    return {.model = "bert",
            .tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁un", "able", "▁a", "▁,"},
            .token_types = {3, 3, 3, 3, 1, 1, 1, 1},
            .bos_token_id = 2,
            .eos_token_id = 3,
            .unknown_token_id = 1,
            .seperator_token_id = 3};
}

}  // namespace

TEST_CASE("special tokens of Phi-3 take the whitespace behind them, as llama.cpp has it by the model's name") {
    GgufVocabulary v = llama();
    v.add_bos_token = false;
    const Ids kept = tokenizer_of(v).encode("a</s>\n b<s> b", false);
    CHECK(std::count(kept.begin(), kept.end(), 3 + '\n') == 1);
    v.model_name = "Phi-3 Mini 4k Instruct";
    const Ids taken = tokenizer_of(v).encode("a</s>\n b<s>\nb", false);
    CHECK(taken == tokenizer_of(v).encode("a</s>b<s>\nb", false));
    CHECK(std::count(taken.begin(), taken.end(), 3 + '\n') == 1);  // <s> takes none
    CHECK(tokenizer_of(v).encode("a<unk>", false).back() == 0);
    v.token_types[2] = 1;
    CHECK(tokenizer_of(v).encode("a</s>\n b", false) == tokenizer_of(v).encode("a</s>b", false));
}

TEST_CASE("gpt2: words are cut as `pre` says, merges follow, bos where the file or the name asks for it") {
    GgufVocabulary v = gpt2();
    CHECK(tokenizer_of(v).encode("ab 12<|end|>ab\n") == Ids{6, 5, 1, 2, 0, 6, 9});  // smollm: digits stand alone
    CHECK(tokenizer_of(v).decode(Ids{6, 7, 5, 1, 2, 9, 0}) == "ab ab 12\n");
    v.pre = "gpt-2";
    CHECK(tokenizer_of(v).encode("ab ab12") == Ids{6, 7, 8});
    v.add_bos_token = true;
    CHECK(tokenizer_of(v).encode("ab") == Ids{0, 6});
    v.add_bos_token.reset();
    v.pre = "llama-bpe";
    CHECK(tokenizer_of(v).encode("ab") == Ids{0, 6});
    v.merges.clear();
    CHECK(tokenizer_of(v).encode("ab") == Ids{0, 6});  // a word that is a token needs no merges there
}

TEST_CASE("every name of a pre-tokenizer has rules that compile and cut a text without losing any of it") {
    const std::string names = error_of([] {
        GgufVocabulary v = gpt2();
        v.pre = "x";
        return v;
    }());
    CHECK(names.starts_with("x.gguf: tokenizer.ggml.pre: expected one of bloom, "));
    for (const std::string_view name : {"bloom",        "chatglm-bpe",
                                        "codeshell",    "command-r",
                                        "dbrx",         "deepseek-coder",
                                        "deepseek-llm", "deepseek-r1-qwen",
                                        "deepseek-v3",  "default",
                                        "exaone",       "falcon",
                                        "falcon3",      "glm4",
                                        "gpt-2",        "gpt-4o",
                                        "grok-2",       "hunyuan-dense",
                                        "jais",         "llama-bpe",
                                        "llama-v3",     "llama3",
                                        "llama4",       "megrez",
                                        "minerva-7b",   "mpt",
                                        "olmo",         "phi-2",
                                        "pixtral",      "qwen2",
                                        "qwen35",       "refact",
                                        "smaug-bpe",    "smollm",
                                        "stablelm2",    "starcoder",
                                        "tekken",       "trillion"}) {
        CAPTURE(name);
        const PreTokenizer cut = isolate(gguf_pre_tokenizer(name, "x.gguf").regexes);
        const std::string text = "Hello world's  12345, naïve ΑΒΓ δ\n\n  漢字かな 한글! don't HelloWorld\t ";
        PreTokenized words{AlignedText(text, 0), {{0, text.size()}}};
        cut(words);
        CHECK(words.words.size() > 8);
        std::size_t end = 0;
        for (const TextRange& word : words.words) {
            CHECK(word.begin == end);
            end = word.end;
        }
        CHECK(end == text.size());
    }
}

TEST_CASE("llama: sentencepiece with a space in front of every text, and what the user defined by its spaces") {
    GgufVocabulary v = llama();
    const auto ids = [&](std::string_view text) { return tokenizer_of(v).encode(text); };
    CHECK(ids("ab") == Ids{1, 262, 261});  // ▁a before ab: the scores say so
    CHECK(ids("a   b") == Ids{1, 262, 264, 261});
    CHECK(ids("a</s>a") == Ids{1, 262, 2, 262});
    CHECK(ids("\n") == Ids{1, 259, 13});
    v.add_space_prefix = false;
    v.add_bos_token = false;
    CHECK(ids("ab") == Ids{263});
    CHECK(tokenizer_of(v).decode(Ids{262, 261}) == " ab");
}

TEST_CASE("bert: starts of words are marked in GGUF, continuations are not") {
    const Tokenizer tokenizer = tokenizer_of(bert());
    CHECK(tokenizer.encode("Unable, A") == Ids{2, 4, 5, 7, 6, 3});
    CHECK(tokenizer.encode("ablun") == Ids{2, 1, 3});
    CHECK(tokenizer.decode(Ids{2, 4, 5, 7, 6, 3}) == "unable, a");
}

TEST_CASE("t5: unigram with eos behind") {
    GgufVocabulary v{.model = "t5",
                     .tokens = {"<pad>", "</s>", "<unk>", "▁", "a", "▁a", "aa"},
                     .scores = {0, 0, 0, -2, -2, -3, -3},
                     .token_types = {3, 3, 2, 1, 1, 1, 1},
                     .eos_token_id = 1,
                     .unknown_token_id = 2};
    CHECK(tokenizer_of(v).encode("  aa   a ") == Ids{3, 6, 5, 1});  // extra spaces go
}

TEST_CASE("a malformed vocabulary is refused with its key") {
    struct Case {
        std::string_view said;
        void (*damage)(GgufVocabulary&);
    };
    const std::vector<Case> cases{
        {"tokens: expected 1 to", [](GgufVocabulary& v) { v.tokens.clear(); }},
        {"token_type: expected 10, one for each token, found 9", [](GgufVocabulary& v) { v.token_types.pop_back(); }},
        {"token_type[1]: expected a type from 1 to 6, found 0", [](GgufVocabulary& v) { v.token_types[1] = 0; }},
        {"token_type[9]: expected a type from 1 to 6, found 7", [](GgufVocabulary& v) { v.token_types[9] = 7; }},
        {"scores: expected 10, one for each token, found 1", [](GgufVocabulary& v) { v.scores = {1}; }},
        {"scores[3]: expected a finite score, found nan",
         [](GgufVocabulary& v) {
             v.scores.assign(10, 0);
             v.scores[3] = std::numeric_limits<float>::quiet_NaN();
         }},
        {"tokens[2]: expected UTF-8, found", [](GgufVocabulary& v) { v.tokens[2] = "\xff"; }},
        {"bos_token_id: expected an id below 10, found 10", [](GgufVocabulary& v) { v.bos_token_id = 10; }},
        {"eos_token_id: expected an id below 10, found -1", [](GgufVocabulary& v) { v.eos_token_id = -1; }},
        {"merges[0]: expected two tokens with a space between", [](GgufVocabulary& v) { v.merges[0] = "ab"; }},
        {"merges[0]: expected two tokens with a space between", [](GgufVocabulary& v) { v.merges[0] = "a "; }},
        {"merges[1]: expected tokens of the vocabulary, found \"c\"", [](GgufVocabulary& v) { v.merges[1] = "a c"; }},
        {"pre: expected one of", [](GgufVocabulary& v) { v.pre = "gpt-5"; }},
        {"model: expected llama, gpt2, bert or t5, found \"rwkv\"", [](GgufVocabulary& v) { v.model = "rwkv"; }},
        {"scores: expected one for each token, found none", [](GgufVocabulary& v) { v.model = "llama"; }},
        {"unknown_token_id: expected an id, found none", [](GgufVocabulary& v) { v.model = "bert"; }},
        {"tokens: expected one piece of type unknown", [](GgufVocabulary& v) {
             v.model = "llama";
             v.scores.assign(10, 0);
         }}};
    for (const Case& c : cases) {
        CAPTURE(c.said);
        GgufVocabulary v = gpt2();
        c.damage(v);
        const std::string error = error_of(v);
        CAPTURE(error);
        CHECK(error.find(c.said) != std::string::npos);
        CHECK(error.starts_with("x.gguf: tokenizer.ggml."));
    }
    GgufVocabulary v = llama();
    v.tokens[260] = "b";
    CHECK(error_of(v).find("\"b\" is already piece 260") != std::string::npos);
    v = llama();
    v.tokens[3] = "x";
    CHECK(error_of(v).find("expected a byte such as <0x0A>") != std::string::npos);
}
