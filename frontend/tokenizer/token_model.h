// The stage of a tokenizer that turns a word into tokens of its vocabulary: BPE, Unigram, WordPiece, sentencepiece.
#pragma once

#include "frontend/tokenizer/vocabulary.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vitro {

/// A token and the bytes of the word that it stands for.
struct Symbol {
    std::int32_t id = 0;
    std::size_t begin = 0;
    std::size_t end = 0;
};

class TokenModel {
public:
    virtual ~TokenModel() = default;
    /// Appends the tokens of `word` (valid UTF-8, not empty), in order. May be called by several threads at once.
    virtual void encode(std::string_view word, std::vector<Symbol>& out) const = 0;
};

struct BpeOptions {
    std::optional<std::string> unk_token;   // what stands for a character without a token; else it is dropped
    std::string continuing_subword_prefix;  // of every character of a word but the first
    std::string end_of_word_suffix;         // of the last
    bool fuse_unk = false;                  // neighbouring unknown characters are one token
    bool byte_fallback = false;             // a character without a token is its bytes' tokens, <0x0A>
    bool ignore_merges = false;             // a word that is a token is that token
};

/// Byte-pair encoding (Sennrich et al. 2016). `merges` are pairs of tokens, the first to be applied first. Error, which
/// opens with `where` and the merge's place, when a token of a merge is not in the vocabulary.
std::unique_ptr<TokenModel> make_bpe(std::shared_ptr<const Vocabulary> vocabulary,
                                     const std::vector<std::pair<std::string, std::string>>& merges,
                                     const BpeOptions& options, std::string_view where);

struct UnigramOptions {
    std::optional<std::int32_t> unk_id;
    bool byte_fallback = false;
};

/// The most probable cut by a unigram language model (Kudo 2018). `scores` are log probabilities, [vocabulary size].
std::unique_ptr<TokenModel> make_unigram(std::shared_ptr<const Vocabulary> vocabulary, std::vector<double> scores,
                                         const UnigramOptions& options);

struct WordPieceOptions {
    std::int32_t unk_id = 0;
    std::string continuing_subword_prefix = "##";
    std::size_t max_input_chars_per_word = 100;  // a longer word is unknown
};

/// The longest token at each place, from left to right (Wu et al. 2016).
std::unique_ptr<TokenModel> make_wordpiece(std::shared_ptr<const Vocabulary> vocabulary,
                                           const WordPieceOptions& options);

/// Every word is a token, or `unk_id`.
std::unique_ptr<TokenModel> make_word_level(std::shared_ptr<const Vocabulary> vocabulary, std::int32_t unk_id);

}  // namespace vitro
