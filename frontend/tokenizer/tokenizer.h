// Text to token ids and back. A tokenizer is a row of stages, each in a file of its own: added tokens are found in the
// text (added_tokens.h), what lies between is normalized (normalizer.h), cut into words (pre_tokenizer.h) and turned
// into tokens (token_model.h), special tokens are put around it all (post_processor.h); decoder.h is the way back.
// Which stages a model has, its files say: see tokenizer_files.h.
#pragma once

#include "frontend/tokenizer/added_tokens.h"
#include "frontend/tokenizer/decoder.h"
#include "frontend/tokenizer/normalizer.h"
#include "frontend/tokenizer/post_processor.h"
#include "frontend/tokenizer/pre_tokenizer.h"
#include "frontend/tokenizer/token_model.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// The stages of a tokenizer, whatever its files are.
struct TokenizerParts {
    std::vector<std::string> tokens;  // spellings by id, at most vocab_size; empty where there is none
    std::vector<AddedToken> added;    // unlike contents, unlike ids
    Normalizer normalizer;            // may be absent
    PreTokenizer pre_tokenizer;       // may be absent: a section is one word
    std::shared_ptr<const TokenModel> model;
    PostProcessor post_processor;
    TokenDecoder decoder;
    std::optional<std::int32_t> bos_id;
    std::optional<std::int32_t> eos_id;
};

class Tokenizer {
public:
    /// Reads the tokenizer's files in `model_directory`: tokenizer.json where it is, else tokenizer.model, each with
    /// tokenizer_config.json and added_tokens.json. `vocab_size` is that of config.json. Error on anything malformed or
    /// not supported and on ids outside [0, vocab_size), but for added tokens, which are then left out.
    static Tokenizer load(const std::filesystem::path& model_directory, std::int64_t vocab_size);
    /// Of a GGUF file, that in its metadata. Else as above, with the "vocab_size" of the directory's config.json; where
    /// there is none, as many as the files name.
    static Tokenizer load(const std::filesystem::path& model_directory);

    /// Error when an id is outside [0, vocab_size).
    Tokenizer(TokenizerParts parts, std::int64_t vocab_size);

    /// A token and the bytes of the text it stands for. Without bytes: bos and eos.
    struct Piece {
        std::int32_t id = 0;
        std::size_t begin = 0;
        std::size_t end = 0;
        bool operator==(const Piece&) const = default;
    };

    /// The ids of `text`, in which added tokens are recognized. Bytes that are no UTF-8 count as U+FFFD, as many as
    /// Python's bytes.decode("utf-8", "replace") makes of them. `add_special` puts bos and eos around it where the
    /// files say so; text made by a chat template brings its own and takes false.
    std::vector<std::int32_t> encode(std::string_view text, bool add_special = true) const;

    /// As encode, with places in `text`. Byte pieces share a character byte by byte.
    std::vector<Piece> encode_pieces(std::string_view text, bool add_special = true) const;

    /// What the stages before the model make of a text, for a report: each is one step of the way.
    struct Trace {
        struct Part {
            std::size_t begin = 0;  // in the user's text
            std::size_t end = 0;
            std::string text;  // as the stage has it
            bool operator==(const Part&) const = default;
        };
        std::vector<Part> added;       // the added tokens that were found
        std::vector<Part> normalized;  // the stretches between them
        std::vector<Part> words;
        std::vector<Piece> pieces;
    };
    Trace trace(std::string_view text) const;

    /// The text of `ids`; special tokens are left out unless asked for. Byte pieces that are no UTF-8 become one U+FFFD
    /// a byte. An id of the vocabulary that has no token is no text. Error for an id outside the vocabulary.
    std::string decode(std::span<const std::int32_t> ids, bool skip_special = true) const;

    /// The same while ids come; see push. For text that goes on after other tokens, continue_text() comes first.
    DecodeStream decode_stream() const { return decoder_.stream(); }
    /// What `stream` says when `id` comes. Error for an id outside the vocabulary.
    std::string push(DecodeStream& stream, std::int32_t id, bool skip_special = true) const;

    std::int64_t vocab_size() const { return static_cast<std::int64_t>(tokens_.size()); }
    /// Error when `id` is outside [0, vocab_size).
    void check_id(std::int32_t id) const;

    /// How the token is spelled, "▁Paris" or "<0x0A>"; empty when the vocabulary has no token `id`.
    std::string_view piece(std::int32_t id) const { return token(id).piece; }
    /// Whether it is left out of decoded text: `<s>`, `<|end|>`.
    bool is_special(std::int32_t id) const { return token(id).special; }
    /// The token spelled `piece`, added or not.
    std::optional<std::int32_t> find(std::string_view piece) const;

    std::optional<std::int32_t> bos_id() const { return bos_id_; }
    std::optional<std::int32_t> eos_id() const { return eos_id_; }
    /// Whether encode starts with bos.
    bool adds_bos() const { return bos_id_ && !around_.before.empty() && around_.before.front() == *bos_id_; }

private:
    struct Token {
        std::string piece;
        std::string decoded;  // what the decoder is given, where that is not `piece`
        bool special = false;
    };

    const Token& token(std::int32_t id) const;
    void encode_section(std::string_view text, std::size_t begin, std::vector<Piece>& out, Trace* trace) const;
    std::vector<Piece> encode_valid(std::string_view text, bool add_special, Trace* trace) const;

    std::vector<Token> tokens_;                               // [vocab_size]
    std::unordered_map<std::string_view, std::int32_t> ids_;  // views into tokens_
    AddedTokenSplitter raw_splitter_;
    AddedTokenSplitter normalized_splitter_;
    Normalizer normalizer_;
    PreTokenizer pre_tokenizer_;
    std::shared_ptr<const TokenModel> model_;
    PostProcessor around_;
    TokenDecoder decoder_;
    std::optional<std::int32_t> bos_id_;
    std::optional<std::int32_t> eos_id_;
};

}  // namespace vitro
