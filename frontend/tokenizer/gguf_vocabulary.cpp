#include "frontend/tokenizer/gguf_vocabulary.h"

#include "base/error.h"
#include "frontend/tokenizer/tokenizer_files.h"
#include "frontend/tokenizer/unicode.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace vitro {
namespace {

constexpr std::size_t kMaxTokens = std::size_t{1} << 22;

[[noreturn]] void refuse(std::string_view file, std::string_view key, std::string_view expected,
                         std::string_view found) {
    fail("{}: tokenizer.ggml.{}: expected {}, found {}", file, key, expected, found);
}

PieceType type_of(const GgufVocabulary& v, std::size_t id) {
    return v.token_types.empty() ? PieceType::normal : static_cast<PieceType>(v.token_types[id]);
}

void check(const GgufVocabulary& v, std::string_view file) {
    const std::size_t n = v.tokens.size();
    if (n == 0 || n > kMaxTokens)
        refuse(file, "tokens", fmt::format("1 to {} tokens", kMaxTokens), fmt::format("{}", n));
    if (!v.token_types.empty() && v.token_types.size() != n)
        refuse(file, "token_type", fmt::format("{}, one for each token", n), fmt::format("{}", v.token_types.size()));
    for (std::size_t id = 0; id < v.token_types.size(); ++id)
        if (v.token_types[id] < 1 || v.token_types[id] > 6)
            refuse(file, fmt::format("token_type[{}]", id), "a type from 1 to 6", fmt::format("{}", v.token_types[id]));
    if (!v.scores.empty() && v.scores.size() != n)
        refuse(file, "scores", fmt::format("{}, one for each token", n), fmt::format("{}", v.scores.size()));
    for (std::size_t id = 0; id < v.scores.size(); ++id)
        if (!std::isfinite(v.scores[id]))
            refuse(file, fmt::format("scores[{}]", id), "a finite score", fmt::format("{}", v.scores[id]));
    for (std::size_t id = 0; id < n; ++id)
        if (!is_valid_utf8(v.tokens[id])) refuse(file, fmt::format("tokens[{}]", id), "UTF-8", quote(v.tokens[id]));
    const auto check_id = [&](std::string_view key, const std::optional<std::int32_t>& id) {
        if (id && (*id < 0 || static_cast<std::size_t>(*id) >= n))
            refuse(file, key, fmt::format("an id below {}", n), fmt::format("{}", *id));
    };
    check_id("bos_token_id", v.bos_token_id);
    check_id("eos_token_id", v.eos_token_id);
    check_id("unknown_token_id", v.unknown_token_id);
    check_id("seperator_token_id", v.seperator_token_id);
    check_id("cls_token_id", v.cls_token_id);
}

/// GGUF has no key for special tokens that take the whitespace behind them. llama.cpp knows by the model's name that
/// Phi-3's do, but for some.
bool is_phi3(std::string name) {
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return name.find("phi-3") != std::string::npos || name.find("phi3") != std::string::npos;
}
bool takes_whitespace_in_phi3(std::string_view token) {
    return token != "<unk>" && token != "<s>" && token != "<|endoftext|>";
}

/// Control tokens, which are no text, and those the user defined; of equal spellings the first counts.
void add_special_tokens(const GgufVocabulary& v, TokenizerParts& parts) {
    std::unordered_map<std::string_view, bool> seen;
    const bool phi3 = is_phi3(v.model_name);
    for (std::size_t id = 0; id < v.tokens.size(); ++id) {
        const PieceType type = type_of(v, id);
        const bool is_special =
            type == PieceType::control || type == PieceType::user_defined || type == PieceType::unknown;
        const bool rstrip = phi3 && (is_special || v.tokens[id] == "</s>") && takes_whitespace_in_phi3(v.tokens[id]);
        if (!is_special && !rstrip) continue;
        if (v.tokens[id].empty() || !seen.emplace(v.tokens[id], true).second) continue;
        const bool is_sentencepiece = v.model == "llama" || v.model == "t5";
        if (is_sentencepiece && type == PieceType::user_defined && !rstrip) continue;  // the library finds those
        parts.added.push_back({.id = static_cast<std::int32_t>(id),
                               .content = v.tokens[id],
                               .rstrip = rstrip,
                               .special = is_special && type != PieceType::user_defined});
    }
}

void put_around(std::optional<std::int32_t> id, std::optional<bool> asked, bool otherwise,
                std::vector<std::int32_t>& out) {
    if (id && asked.value_or(otherwise)) out.push_back(*id);
}

std::string metaspaced(std::string_view text) {
    std::string out;
    for (const char c : text) c == ' ' ? out += kSpaceMark : out += c;
    return out;
}

void read_sentencepiece(const GgufVocabulary& v, std::string_view file, TokenizerParts& parts) {
    if (v.scores.empty()) refuse(file, "scores", "one for each token", "none");
    SentencePieceData data;
    data.unigram = v.model == "t5";
    data.charsmap = v.precompiled_charsmap;
    data.remove_extra_whitespaces = v.remove_extra_whitespaces.value_or(data.unigram);
    bool has_unknown = false;
    for (std::size_t id = 0; id < v.tokens.size(); ++id) {
        data.pieces.push_back({v.tokens[id], v.scores[id], type_of(v, id)});
        // What the user defined stands there with spaces.
        if (data.pieces[id].type == PieceType::user_defined) data.pieces[id].text = metaspaced(data.pieces[id].text);
        // A vocabulary that is padded has tokens without a text, or with the same.
        if (data.pieces[id].text.empty()) data.pieces[id] = {fmt::format("<unused {}>", id), 0, PieceType::unused};
        has_unknown = has_unknown || data.pieces[id].type == PieceType::unknown;
        data.byte_fallback = data.byte_fallback || data.pieces[id].type == PieceType::byte;
    }
    if (!has_unknown && v.unknown_token_id)
        data.pieces[static_cast<std::size_t>(*v.unknown_token_id)].type = PieceType::unknown;
    const PrependScheme scheme = v.add_space_prefix.value_or(true) ? PrependScheme::always : PrependScheme::never;
    add_sentencepiece_stages(data, scheme, fmt::format("{}: tokenizer.ggml.tokens", file), parts);
    put_around(v.bos_token_id, v.add_bos_token, v.model == "llama", parts.post_processor.before);
    put_around(v.eos_token_id, v.add_eos_token, v.model == "t5", parts.post_processor.after);
}

void read_gpt2(const GgufVocabulary& v, std::string_view file, TokenizerParts& parts) {
    const GgufPreTokenizer pre = gguf_pre_tokenizer(v.pre.empty() ? "default" : v.pre, file);
    std::vector<std::pair<std::string, std::string>> merges;
    for (std::size_t i = 0; i < v.merges.size(); ++i) {
        const std::string& merge = v.merges[i];
        const std::size_t space = merge.find(' ', 1);  // the first token may be a space
        if (space == std::string::npos || space + 1 == merge.size())
            refuse(file, fmt::format("merges[{}]", i), "two tokens with a space between", quote(merge));
        merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
    }
    parts.tokens = v.tokens;
    parts.model = make_bpe(std::make_shared<const Vocabulary>(v.tokens), merges, {.ignore_merges = pre.ignore_merges},
                           fmt::format("{}: tokenizer.ggml.merges", file));
    parts.pre_tokenizer =
        pre_tokenizer_sequence({isolate(pre.regexes), byte_level(v.add_space_prefix.value_or(false), false)});
    parts.decoder = byte_level_decoder();
    put_around(v.bos_token_id, v.add_bos_token, pre.add_bos, parts.post_processor.before);
    put_around(v.eos_token_id, v.add_eos_token, false, parts.post_processor.after);
}

/// GGUF spells the start of a word "▁a" and its continuation "b" where WordPiece has "a" and "##b".
void read_bert(const GgufVocabulary& v, std::string_view file, TokenizerParts& parts) {
    if (!v.unknown_token_id) refuse(file, "unknown_token_id", "an id", "none");
    std::unordered_map<std::string_view, bool> added;
    for (const AddedToken& token : parts.added) added.emplace(token.content, true);
    for (const std::string& token : v.tokens) {
        const bool bracketed = token.starts_with('[') && token.ends_with(']');
        if (token.starts_with(kSpaceMark))
            parts.tokens.push_back(token.substr(kSpaceMark.size()));
        else
            parts.tokens.push_back(token.empty() || bracketed || added.contains(token) ? token : "##" + token);
    }
    parts.model = make_wordpiece(std::make_shared<const Vocabulary>(parts.tokens), {.unk_id = *v.unknown_token_id});
    parts.normalizer = bert_normalizer({.strip_accents = true});
    parts.pre_tokenizer = bert_pre_tokenizer();
    parts.decoder = wordpiece_decoder();
    const auto cls = v.cls_token_id ? v.cls_token_id : v.bos_token_id;
    const auto sep = v.seperator_token_id ? v.seperator_token_id : v.eos_token_id;
    put_around(cls, v.add_bos_token, true, parts.post_processor.before);
    put_around(sep, v.add_sep_token ? v.add_sep_token : v.add_eos_token, true, parts.post_processor.after);
}

}  // namespace

TokenizerParts gguf_tokenizer(const GgufVocabulary& vocabulary, std::string_view file) {
    check(vocabulary, file);
    TokenizerParts parts;
    add_special_tokens(vocabulary, parts);
    if (vocabulary.model == "llama" || vocabulary.model == "t5")
        read_sentencepiece(vocabulary, file, parts);
    else if (vocabulary.model == "gpt2")
        read_gpt2(vocabulary, file, parts);
    else if (vocabulary.model == "bert")
        read_bert(vocabulary, file, parts);
    else
        refuse(file, "model", "llama, gpt2, bert or t5", quote(vocabulary.model));
    parts.bos_id = vocabulary.bos_token_id;
    parts.eos_id = vocabulary.eos_token_id;
    return parts;
}

}  // namespace vitro
