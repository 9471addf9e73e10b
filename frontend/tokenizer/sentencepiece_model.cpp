#include "frontend/tokenizer/sentencepiece_model.h"

#include "base/error.h"

#include <sentencepiece_processor.h>

#include <bit>
#include <cstdint>
#include <string>

namespace vitro {
namespace {

/// Writes protobuf's wire format.
class Message {
public:
    void number(std::uint64_t field, std::uint64_t value) {
        varint(field << 3);
        varint(value);
    }
    void bytes(std::uint64_t field, std::string_view value) {
        varint(field << 3 | 2);
        varint(value.size());
        text_ += value;
    }
    void fixed(std::uint64_t field, float value) {
        varint(field << 3 | 5);
        const auto bits = std::bit_cast<std::uint32_t>(value);
        for (int shift = 0; shift < 32; shift += 8) text_ += static_cast<char>(bits >> shift & 0xff);
    }
    const std::string& text() const { return text_; }

private:
    void varint(std::uint64_t value) {
        for (; value > 127; value >>= 7) text_ += static_cast<char>((value & 127) | 128);
        text_ += static_cast<char>(value);
    }
    std::string text_;
};

/// The ModelProto of `data` (sentencepiece_model.proto has the numbers), without what the library does not need.
std::string serialized(const SentencePieceData& data, bool dummy_prefix) {
    Message model;
    for (const SentencePiece& piece : data.pieces) {
        Message message;
        message.bytes(1, piece.text);
        message.fixed(2, piece.score);
        message.number(3, static_cast<std::uint64_t>(piece.type));
        model.bytes(1, message.text());
    }
    Message trainer;
    trainer.number(3, data.unigram ? 1 : 2);
    trainer.number(35, data.byte_fallback ? 1 : 0);
    model.bytes(2, trainer.text());
    Message normalizer;
    normalizer.bytes(2, data.charsmap);
    normalizer.number(3, dummy_prefix ? 1 : 0);
    normalizer.number(4, data.remove_extra_whitespaces ? 1 : 0);
    normalizer.number(5, 1);
    model.bytes(3, normalizer.text());
    return model.text();
}

class Sentencepiece final : public TokenModel {
public:
    Sentencepiece(const SentencePieceData& data, bool dummy_prefix, std::string_view where) {
        const auto status = processor_.LoadFromSerializedProto(serialized(data, dummy_prefix));
        if (!status.ok()) fail("{}: libsentencepiece refuses it: {}", where, status.ToString());
        for (const SentencePiece& piece : data.pieces) is_byte_.push_back(piece.type == PieceType::byte);
    }

    void encode(std::string_view word, std::vector<Symbol>& out) const override {
        sentencepiece::ImmutableSentencePieceText text;
        const auto status = processor_.Encode({word.data(), word.size()}, text.mutable_proto());
        if (!status.ok()) fail("libsentencepiece: {}", status.ToString());
        const std::size_t first = out.size();
        for (std::size_t i = 0; i < text.pieces_size(); ++i) {
            const auto piece = text.pieces(static_cast<int>(i));
            out.push_back({static_cast<std::int32_t>(piece.id()), piece.begin(), piece.end()});
        }
        for (std::size_t i = first; i < out.size(); ++i) share_bytes(out, i);
    }

private:
    /// The library gives the last byte piece of a character all of it; here each has its byte.
    void share_bytes(std::vector<Symbol>& symbols, std::size_t last) const {
        const Symbol whole = symbols[last];
        const std::size_t size = whole.end - whole.begin;
        if (!is_byte_[static_cast<std::size_t>(whole.id)] || size < 2) return;
        for (std::size_t i = 0; i < size && i <= last; ++i)
            symbols[last - i] = {symbols[last - i].id, whole.end - i - 1, whole.end - i};
    }

    sentencepiece::SentencePieceProcessor processor_;
    std::vector<bool> is_byte_;  // [pieces]
};

}  // namespace

std::unique_ptr<TokenModel> make_sentencepiece(const SentencePieceData& data, bool dummy_prefix,
                                               std::string_view where) {
    check_sentencepiece(data, where);
    return std::make_unique<Sentencepiece>(data, dummy_prefix, where);
}

}  // namespace vitro
