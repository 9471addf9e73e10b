// How words are cut for each name that "tokenizer.ggml.pre" may have. The rules are those of the models' own
// tokenizer.json files; llama.cpp gave the names.
#include "base/error.h"
#include "frontend/json.h"
#include "frontend/tokenizer/gguf_vocabulary.h"

#include <fmt/ranges.h>

#include <array>

namespace vitro {
namespace {

constexpr std::string_view kGpt4Contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";

/// The rule of tiktoken's cl100k and those made after it: digits in runs of up to `digits`.
std::string cl100k(std::string_view digits) {
    return fmt::format(R"({}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
                       kGpt4Contractions, digits);
}

/// The rule of tiktoken's o200k and those made after it: words end where small letters are followed by a capital.
std::string o200k(std::string_view digits, std::string_view after_word) {
    constexpr std::string_view kStart = R"([^\r\n\p{L}\p{N}]?)", kUpper = R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])",
                               kLower = R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])";
    return fmt::format(R"({0}{1}*{2}+{3}|{0}{1}+{2}*{3}|{4}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
                       kStart, kUpper, kLower, after_word, digits);
}

const std::string& deepseek3() {
    static const std::string rule =
        R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
    return rule;
}

/// Letters with case, as DeepSeek's first tokenizer lists them.
// clang-format off
constexpr std::string_view kDeepseekLetters =
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1F7Dᾀ-ᾴᾶ-ᾼ"
    "\u1FBEῂ-ῄῆ-ῌῐ-\u1FD3ῖ-\u1FDBῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212A-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ"
    "𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃";
// clang-format on

struct Row {
    std::string_view name;
    GgufPreTokenizer rule;
};

const std::vector<Row>& rows() {
    static const std::string gpt2(kGpt2Words), digit = R"(\p{N})", digits3 = R"(\p{N}{1,3})";
    static const GgufPreTokenizer llama3{{cl100k(digits3)}, true, true};
    static const GgufPreTokenizer deepseek_v3{{digits3, "[一-龥぀-ゟ゠-ヿ]+", deepseek3()}};
    static const GgufPreTokenizer gpt4o{{o200k(digits3, fmt::format("{}?", kGpt4Contractions))}};
    static const std::vector<Row> rows{
        {"bloom", {{R"( ?[^(\s|.,!?…。，、।۔،)]+)"}}},
        {"chatglm-bpe", {{cl100k(digits3)}}},
        {"codeshell", {{digit, gpt2}}},
        {"command-r", {{digit, gpt2}}},
        {"dbrx", {{cl100k(digits3)}}},
        {"deepseek-coder", {{"[\r\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", "[一-龥ࠀ-一가-\uD7FF]+", digit}}},
        {"deepseek-llm",
         {{"[\r\n]", fmt::format(R"(\s?[{}]+)", kDeepseekLetters), R"(\s?[!-/:-~！-／：-～‘-‟\x{3000}-。]+)", R"(\s+$)",
           "[一-龥ࠀ-一가-\uD7FF]+", R"(\p{N}+)"}}},
        {"deepseek-r1-qwen", {{cl100k(digit)}}},
        {"deepseek-v3", deepseek_v3},
        {"default", {{gpt2}}},
        {"exaone", {{digit, gpt2}}},
        {"falcon", {{R"([\p{P}\$\+<=>\^~\|`]+)", gpt2, "[0-9][0-9][0-9]"}}},
        {"falcon3", llama3},
        {"glm4", {{cl100k(digits3)}}},
        {"gpt-2", {{gpt2}}},
        {"gpt-4o", gpt4o},
        {"grok-2", {{cl100k(digit)}}},
        {"hunyuan-dense", deepseek_v3},
        {"jais", {{gpt2}}},
        {"llama-bpe", llama3},
        {"llama-v3", llama3},
        {"llama3", llama3},
        {"llama4", gpt4o},
        {"megrez", {{cl100k(digit)}}},
        {"minerva-7b", {{digit, gpt2}}},
        {"mpt", {{gpt2}}},
        {"olmo", {{gpt2}}},
        {"phi-2", {{gpt2}}},
        {"pixtral", llama3},
        {"qwen2", {{cl100k(digit)}}},
        {"qwen35",
         {{fmt::format(
             R"({}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
             kGpt4Contractions)}}},
        {"refact", {{digit, gpt2}}},
        {"smaug-bpe", {{cl100k(digits3)}}},
        {"smollm", {{digit, gpt2}}},
        {"stablelm2", {{cl100k(digit)}}},
        {"starcoder", {{digit, gpt2}}},
        {"tekken", {{o200k(digit, "")}, true, true}},
        {"trillion", {{gpt2}}},
    };
    return rows;
}

}  // namespace

std::vector<std::string_view> gguf_pre_tokenizer_names() {
    std::vector<std::string_view> names;
    for (const Row& row : rows()) names.push_back(row.name);
    return names;
}

GgufPreTokenizer gguf_pre_tokenizer(std::string_view name, std::string_view file) {
    for (const Row& row : rows())
        if (row.name == name) return row.rule;
    fail("{}: tokenizer.ggml.pre: expected one of {}, found {}", file, fmt::join(gguf_pre_tokenizer_names(), ", "),
         quote(name));
}

}  // namespace vitro
