// Tokens to text, token by token: what has come out is certain, and all of it together is the text of all tokens.
#pragma once

#include "frontend/json.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// One stage of a decoder while it runs. Texts of tokens go in, parts of texts come out.
class DecodeStage {
public:
    /// Where what a stage makes goes: `begins` at the start of a token, false for more of the same one.
    class Sink {
    public:
        virtual ~Sink() = default;
        virtual void take(std::string_view text, bool begins) = 0;
    };

    virtual ~DecodeStage() = default;
    virtual void push(std::string_view text, bool begins, Sink& out) = 0;
    /// After the last push: what the stage still holds.
    virtual void finish(Sink&) {}
    /// The next token is not the first of its text.
    virtual void continue_text() {}
    virtual std::unique_ptr<DecodeStage> clone() const = 0;
};

/// The text of a sequence of tokens while they come.
class DecodeStream {
public:
    explicit DecodeStream(std::vector<std::unique_ptr<DecodeStage>> stages) : stages_(std::move(stages)) {}

    /// Tokens came before: the first one does not lose the space that it starts with.
    void continue_text();
    /// What is certain once a token of this spelling has come.
    std::string push(std::string_view token);
    /// The rest. Nothing may be pushed after it.
    std::string finish();

private:
    struct Next;
    std::vector<std::unique_ptr<DecodeStage>> stages_;
};

/// The stages in order, at the start of a text; a stream works on a copy.
class TokenDecoder {
public:
    /// Tokens with a space between, as Hugging Face's tokenizers decode without a decoder.
    TokenDecoder();
    explicit TokenDecoder(std::vector<std::unique_ptr<DecodeStage>> stages) : stages_(std::move(stages)) {}

    DecodeStream stream() const;

private:
    std::vector<std::unique_ptr<DecodeStage>> stages_;
};

/// The "decoder" of a tokenizer.json, with the meaning it has in Hugging Face's tokenizers, but for bytes that are no
/// text: only those are replaced, one U+FFFD each, not the characters around them. Error, by name, for one not known.
TokenDecoder read_decoder(const JsonValue& value);

/// The decoder of sentencepiece vocabularies: "▁" is a space, <0x0A> a byte, and the space at the start of the text
/// goes when `strip_leading_space`.
TokenDecoder sentencepiece_decoder(bool strip_leading_space);
/// The decoder of byte-level vocabularies.
TokenDecoder byte_level_decoder();
/// The decoder of WordPiece vocabularies.
TokenDecoder wordpiece_decoder();

/// The byte that a token stands for ("<0x0A>"), if it is of that form.
std::optional<unsigned char> byte_of_token(std::string_view token);

}  // namespace vitro
