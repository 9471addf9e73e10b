// A directory's tokenizer in the few words that GGUF files have for one.
#include "base/error.h"
#include "frontend/file.h"
#include "frontend/json.h"
#include "frontend/tokenizer/gguf_vocabulary.h"
#include "frontend/tokenizer/tokenizer_files.h"
#include "frontend/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <map>

namespace vitro {
namespace {

constexpr float kNeverMerged = -1e9f;  // the score of a piece that no merge makes

/// What tells rules for words apart: cases, digits, marks, lines, spaces, scripts.
constexpr std::string_view kWords =
    "I'm WE'RE don't O'Neil's camelCaseWord ABCdef x1y22z333 1234567 3.14 -- a/b//c ...?!\n\n\tif (x) {\r\n  y += "
    "1;\n}\n"
    "   three   spaces \u00e9t\u00e9 e\u0301te\u0301 \u4f60\u597d\u4e16\u754c \u3053\u3093\u306b\u3061\u306f "
    "\u043f\u0440\u0438\u0432\u0435\u0442 "
    "\u0661\u0662\u0663 $5 #tag @me _under_score_ \U0001f600 \u00abquote\u00bb a\u00a0b l'\u00e9t\u00e9 (end). ";
constexpr std::string_view kTexts[] = {"The capital of France is Paris.", "def f(x):\n    return x * 2\n",
                                       "  two spaces in front, and 12345 numbers\n\n", kWords};

/// How a rule cuts kWords: the words, as they are spelled.
std::vector<std::string> cut(const PreTokenizer& rule) {
    PreTokenized text{AlignedText(kWords, 0), {{0, kWords.size()}}};
    rule(text);
    std::vector<std::string> words;
    for (const TextRange& word : text.words) words.push_back(text.text.text.substr(word.begin, word.end - word.begin));
    return words;
}

/// The name that llama.cpp has for a rule that cuts as `parts` does.
std::string pre_tokenizer_name(const TokenizerParts& parts, bool ignore_merges, std::string_view file) {
    const std::vector<std::string> wanted = cut(parts.pre_tokenizer);
    std::string found;
    for (const std::string_view name : gguf_pre_tokenizer_names()) {
        const GgufPreTokenizer rule = gguf_pre_tokenizer(name, file);
        if (name == "default" ||
            cut(pre_tokenizer_sequence({isolate(rule.regexes), byte_level(false, false)})) != wanted)
            continue;
        if (rule.ignore_merges == ignore_merges) return std::string(name);
        if (found.empty()) found = name;
    }
    if (found.empty())
        fail(
            "{}: \"pre_tokenizer\": expected a rule for words that GGUF files have a name for, found none that cuts so",
            file);
    return found;
}

void from_sentencepiece(const std::filesystem::path& directory, std::int64_t vocab_size, GgufVocabulary& out) {
    const SentencePieceData data = read_sentencepiece_file(directory / "tokenizer.model", vocab_size);
    out.model = data.unigram ? "t5" : "llama";
    for (const SentencePiece& piece : data.pieces) {
        out.tokens.push_back(piece.text);
        out.scores.push_back(piece.score);
        out.token_types.push_back(static_cast<std::int32_t>(piece.type));
    }
    out.precompiled_charsmap = data.unigram ? data.charsmap : "";
    out.remove_extra_whitespaces = data.remove_extra_whitespaces;
}

/// A BPE of characters with byte fallback is sentencepiece's: it merges first what has the best score, so the scores
/// are the order of the merges.
void from_merges(const std::vector<std::pair<std::string, std::string>>& merges, GgufVocabulary& out) {
    out.model = "llama";
    std::map<std::string_view, float> scores;
    std::vector<std::string> made;
    made.reserve(merges.size());
    for (const auto& [left, right] : merges) {
        made.push_back(left + right);
        scores.emplace(made.back(), -static_cast<float>(scores.size()));
    }
    for (const std::string& token : out.tokens) {
        const auto score = scores.find(token);
        out.scores.push_back(score == scores.end() ? kNeverMerged : score->second);
    }
}

bool is_byte(std::string_view token) { return token.size() == 6 && token.starts_with("<0x") && token.ends_with('>'); }

void from_json(const std::filesystem::path& directory, const TokenizerParts& parts, GgufVocabulary& out) {
    const JsonValue file = JsonValue::read(directory / "tokenizer.json");
    const JsonValue model = file.at("model");
    const auto flag = [&](std::string_view key) {
        const auto given = model.given(key);
        return given && given->boolean();
    };
    const auto merges = model.given("merges");
    if (!merges) model.refuse("a model of the type BPE, which has merges");
    out.tokens = parts.tokens;
    out.token_types.assign(out.tokens.size(), static_cast<std::int32_t>(PieceType::normal));
    if (flag("byte_fallback")) {
        from_merges(read_merges(*merges), out);
        const auto unknown = model.given("unk_token");
        for (std::size_t id = 0; id < out.tokens.size(); ++id) {
            if (is_byte(out.tokens[id])) out.token_types[id] = static_cast<std::int32_t>(PieceType::byte);
            if (unknown && out.tokens[id] == unknown->string())
                out.token_types[id] = static_cast<std::int32_t>(PieceType::unknown);
        }
        return;
    }
    out.model = "gpt2";
    for (const auto& [left, right] : read_merges(*merges)) out.merges.push_back(left + " " + right);
    out.pre = pre_tokenizer_name(parts, flag("ignore_merges"), file.file());
}

/// Added tokens in their places, and what no token has a text for, up to the end of the vocabulary.
void add_tokens(const TokenizerParts& parts, std::int64_t vocab_size, GgufVocabulary& out) {
    const auto size = static_cast<std::size_t>(vocab_size);
    out.tokens.resize(size);
    out.token_types.resize(size, static_cast<std::int32_t>(PieceType::unused));
    if (out.model != "gpt2") out.scores.resize(size, kNeverMerged);
    for (const AddedToken& token : parts.added) {
        const auto id = static_cast<std::size_t>(token.id);
        out.tokens[id] = token.content;
        if (out.token_types[id] != static_cast<std::int32_t>(PieceType::unknown))
            out.token_types[id] =
                static_cast<std::int32_t>(token.special ? PieceType::control : PieceType::user_defined);
    }
    for (std::size_t id = 0; id < size; ++id)
        if (out.tokens[id].empty()) {
            out.tokens[id] = fmt::format("[PAD{}]", id);
            out.token_types[id] = static_cast<std::int32_t>(PieceType::unused);
        }
}

bool contains(const std::vector<std::int32_t>& ids, std::optional<std::int32_t> id) {
    return id && std::find(ids.begin(), ids.end(), *id) != ids.end();
}

}  // namespace

GgufVocabulary export_gguf_vocabulary(const std::filesystem::path& directory, std::int64_t vocab_size,
                                      std::vector<std::string>& warnings) {
    TokenizerParts parts = read_tokenizer_files(directory, vocab_size);
    GgufVocabulary out;
    const bool has_json = file_exists(directory / "tokenizer.json");
    if (has_json) from_json(directory, parts, out);
    if (out.model != "gpt2" && file_exists(directory / "tokenizer.model")) {
        out = {};
        from_sentencepiece(directory, vocab_size, out);
    }
    add_tokens(parts, vocab_size, out);
    const auto unknown =
        std::find(out.token_types.begin(), out.token_types.end(), static_cast<std::int32_t>(PieceType::unknown));
    if (unknown != out.token_types.end())
        out.unknown_token_id = static_cast<std::int32_t>(unknown - out.token_types.begin());
    out.bos_token_id = parts.bos_id;
    out.eos_token_id = parts.eos_id;
    out.add_bos_token = contains(parts.post_processor.before, parts.bos_id);
    out.add_eos_token = contains(parts.post_processor.after, parts.eos_id);

    const Tokenizer own(std::move(parts), vocab_size);
    const std::vector<std::int32_t> first = own.encode("a", false);
    const bool has_mark = !first.empty() && (own.piece(first.front()).starts_with(kSpaceMark) ||
                                             own.piece(first.front()).starts_with("\u0120"));
    out.add_space_prefix = has_mark;

    const Tokenizer written(gguf_tokenizer(out, "the GGUF file"), vocab_size);
    for (const std::string_view text : kTexts)
        if (own.encode(text) != written.encode(text)) {
            warnings.push_back(
                fmt::format("the GGUF file's tokenizer makes other tokens of {} than the directory's", quote(text)));
            break;
        }
    return out;
}

}  // namespace vitro
