// Text to token ids and back, for models that come with sentencepiece's tokenizer.model: id for id what Hugging Face's
// fast tokenizer gives (see tokenizer_rules.h for which of its rules hold for a directory).
#pragma once

#include "frontend/tokenizer/added_tokens.h"
#include "frontend/tokenizer/bpe.h"
#include "frontend/tokenizer/tokenizer_rules.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

class Tokenizer {
public:
    /// Reads tokenizer.model, tokenizer_config.json and, where they are there, added_tokens.json and tokenizer.json.
    /// `vocab_size` is that of config.json. Error on anything malformed and on ids outside [0, vocab_size).
    static Tokenizer load(const std::filesystem::path& model_directory, std::int64_t vocab_size);

    Tokenizer(SentencePieceModel model, TokenizerRules rules, std::int64_t vocab_size);

    /// A token and the bytes of the text it stands for. Without bytes: bos and eos.
    struct Piece {
        std::int32_t id = 0;
        std::size_t begin = 0;
        std::size_t end = 0;
    };

    /// The ids of `text`, in which added tokens are recognized. Bytes that are no UTF-8 count as U+FFFD, as many as
    /// Python's bytes.decode("utf-8", "replace") makes of them. `add_special` puts bos and eos around it where the
    /// directory says so; text made by a chat template brings its own and takes false.
    std::vector<std::int32_t> encode(std::string_view text, bool add_special = true) const;

    /// As encode, with places in `text`. Byte pieces share a character byte by byte.
    std::vector<Piece> encode_pieces(std::string_view text, bool add_special = true) const;

    /// The text of `ids`; special tokens are left out unless asked for. A run of byte pieces that is no UTF-8 becomes
    /// one U+FFFD a byte. An id of the vocabulary that has no token is no text. Error for an id outside the vocabulary.
    std::string decode(std::span<const std::int32_t> ids, bool skip_special = true) const;

    std::int64_t vocab_size() const { return static_cast<std::int64_t>(tokens_.size()); }
    /// Error when `id` is outside [0, vocab_size).
    void check_id(std::int32_t id) const;

    /// How the token is spelled, "▁Paris" or "<0x0A>"; empty when the vocabulary has no token `id`.
    std::string_view piece(std::int32_t id) const { return token(id).piece; }
    /// What it adds to the text, " Paris"; for a byte piece, see `byte`.
    std::string_view text(std::int32_t id) const { return token(id).text; }
    std::optional<unsigned char> byte(std::int32_t id) const { return token(id).byte; }
    /// Whether it is left out of decoded text: `<s>`, `<|end|>`.
    bool is_special(std::int32_t id) const { return token(id).special; }
    /// The token spelled `piece`, added or not.
    std::optional<std::int32_t> find(std::string_view piece) const;

    std::optional<std::int32_t> bos_id() const { return bos_id_; }
    std::optional<std::int32_t> eos_id() const { return eos_id_; }
    /// Whether encode starts with bos.
    bool adds_bos() const { return add_bos_; }
    /// Whether decoded text loses one space at its start: the one that encoding put there.
    bool strips_leading_space() const { return strip_leading_space_; }

private:
    struct Token {
        std::string piece;
        std::string text;
        std::optional<unsigned char> byte;
        bool special = false;
    };
    struct Escaped;

    const Token& token(std::int32_t id) const;
    void encode_section(std::string_view text, std::size_t begin, std::vector<Piece>& out) const;
    void encode_escaped(const Escaped& escaped, std::vector<Piece>& out) const;

    Bpe bpe_;
    std::vector<Token> tokens_;  // [vocab_size]
    AddedTokenSplitter raw_splitter_;
    AddedTokenSplitter normalized_splitter_;
    std::vector<AddedToken> added_;
    PrefixRule prefix_;
    bool strip_leading_space_;
    bool add_bos_;
    bool add_eos_;
    std::optional<std::int32_t> bos_id_;
    std::optional<std::int32_t> eos_id_;
};

/// The text of a run of byte pieces, as Hugging Face's decoder has it: the bytes when they are UTF-8 from end to end,
/// else one U+FFFD for each.
std::string text_of_bytes(std::string_view run);

}  // namespace vitro
