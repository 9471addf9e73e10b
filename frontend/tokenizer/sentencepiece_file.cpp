#include "frontend/tokenizer/sentencepiece_file.h"

#include "base/error.h"
#include "frontend/json.h"
#include "frontend/model_directory.h"
#include "frontend/tokenizer/charsmap.h"
#include "frontend/tokenizer/decoder.h"
#include "frontend/tokenizer/unicode.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <unordered_map>

namespace vitro {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} << 20;

enum WireType : std::uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Field numbers of sentencepiece_model.proto.
constexpr std::uint64_t kModelPieces = 1, kModelTrainer = 2, kModelNormalizer = 3;
constexpr std::uint64_t kPieceText = 1, kPieceScore = 2, kPieceType = 3;
constexpr std::uint64_t kTrainerModelType = 3, kTrainerSuffix = 24, kTrainerByteFallback = 35;
constexpr std::uint64_t kNormalizerCharsmap = 2, kNormalizerPrefix = 3, kNormalizerExtraSpaces = 4,
                        kNormalizerEscapes = 5;

struct Field {
    std::uint64_t number = 0;
    std::uint64_t wire_type = 0;
    std::uint64_t value = 0;  // of a varint or a fixed number
    std::string_view bytes;   // of a string or a message
};

/// Walks the fields of one protobuf message.
class Message {
public:
    /// `bytes` is a part of `whole`, the contents of `file`.
    Message(std::string_view bytes, std::string_view file, std::string_view whole)
        : rest_(bytes), file_(file), whole_(whole) {}

    std::optional<Field> next() {
        if (rest_.empty()) return std::nullopt;
        const std::uint64_t tag = varint();
        Field field{tag >> 3, tag & 7, 0, {}};
        if (field.number == 0) broken("a field number above 0", "0");
        switch (field.wire_type) {
            case kVarint:
                field.value = varint();
                break;
            case kFixed64:
                field.value = fixed(8);
                break;
            case kFixed32:
                field.value = fixed(4);
                break;
            case kBytes:
                field.bytes = take(varint());
                break;
            default:
                broken("wire type 0, 1, 2 or 5", fmt::format("{}", field.wire_type));
        }
        return field;
    }

    void require(const Field& field, WireType expected, std::string_view name) const {
        if (field.wire_type != expected)
            broken(fmt::format("wire type {} for {}", std::uint64_t{expected}, name),
                   fmt::format("{}", field.wire_type));
    }

    [[noreturn]] void broken(std::string_view expected, std::string_view found) const {
        fail("{}: not a sentencepiece model: expected {} before byte {}, found {}", file_, expected,
             rest_.data() - whole_.data(), found);
    }

private:
    std::string_view take(std::uint64_t size) {
        if (size > rest_.size()) broken(fmt::format("{} more bytes", size), fmt::format("{}", rest_.size()));
        const std::string_view taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }

    std::uint64_t fixed(std::size_t size) {
        std::uint64_t value = 0;  // the format is little-endian, as the machines we run on
        std::memcpy(&value, take(size).data(), size);
        return value;
    }

    std::uint64_t varint() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const auto byte = static_cast<unsigned char>(take(1)[0]);
            value |= std::uint64_t{byte & 0x7fu} << shift;
            if (byte < 0x80) return value;
        }
        broken("a number of at most 10 bytes", "a longer one");
    }

    std::string_view rest_;
    std::string_view file_;
    std::string_view whole_;
};

SentencePiece read_piece(Message message, std::string_view where) {
    SentencePiece piece;
    while (const std::optional<Field> field = message.next()) {
        if (field->number == kPieceText) {
            message.require(*field, kBytes, "a piece's text");
            piece.text = field->bytes;
        } else if (field->number == kPieceScore) {
            message.require(*field, kFixed32, "a piece's score");
            const auto score = std::bit_cast<float>(static_cast<std::uint32_t>(field->value));
            if (!std::isfinite(score)) fail("{}: expected a finite score, found {}", where, score);
            piece.score = score;
        } else if (field->number == kPieceType) {
            message.require(*field, kVarint, "a piece's type");
            if (field->value < 1 || field->value > 6)
                fail("{}: expected a type from 1 to 6, found {}", where, field->value);
            piece.type = static_cast<PieceType>(field->value);
        }
    }
    return piece;
}

void read_trainer(Message trainer, std::string_view file, SentencePieceData& data) {
    std::uint64_t model_type = 1;
    while (const std::optional<Field> field = trainer.next()) {
        if (field->number == kTrainerModelType) {
            trainer.require(*field, kVarint, "model_type");
            model_type = field->value;
        } else if (field->number == kTrainerSuffix) {
            trainer.require(*field, kVarint, "treat_whitespace_as_suffix");
            if (field->value != 0)
                fail("{}: trainer_spec.treat_whitespace_as_suffix: expected false, found true", file);
        } else if (field->number == kTrainerByteFallback) {
            trainer.require(*field, kVarint, "byte_fallback");
            data.byte_fallback = field->value != 0;
        }
    }
    if (model_type != 1 && model_type != 2)
        fail("{}: trainer_spec.model_type: expected 1 (unigram) or 2 (byte-pair encoding), found {}", file, model_type);
    data.unigram = model_type == 1;
}

void read_normalizer_spec(Message normalizer, std::string_view file, SentencePieceData& data) {
    while (const std::optional<Field> field = normalizer.next()) {
        if (field->number == kNormalizerCharsmap) {
            normalizer.require(*field, kBytes, "precompiled_charsmap");
            data.charsmap = field->bytes;
        } else if (field->number == kNormalizerPrefix) {
            normalizer.require(*field, kVarint, "add_dummy_prefix");
            data.add_dummy_prefix = field->value != 0;
        } else if (field->number == kNormalizerExtraSpaces) {
            normalizer.require(*field, kVarint, "remove_extra_whitespaces");
            data.remove_extra_whitespaces = field->value != 0;
        } else if (field->number == kNormalizerEscapes) {
            normalizer.require(*field, kVarint, "escape_whitespaces");
            if (field->value == 0) fail("{}: normalizer_spec.escape_whitespaces: expected true, found false", file);
        }
    }
}

}  // namespace

void check_sentencepiece(const SentencePieceData& data, std::string_view file) {
    std::unordered_map<std::string_view, std::size_t> seen;
    std::optional<std::size_t> unknown;
    std::size_t bytes = 0;
    bool has_normal = false;
    for (std::size_t id = 0; id < data.pieces.size(); ++id) {
        const SentencePiece& piece = data.pieces[id];
        const std::string where = fmt::format("{}: piece {}", file, id);
        if (piece.text.empty()) fail("{}: expected a text, found none", where);
        if (!is_valid_utf8(piece.text)) fail("{}: expected UTF-8, found {}", where, quote(piece.text));
        if (piece.text.find('\0') != std::string::npos)
            fail("{}: expected a text without U+0000, found {}", where, quote(piece.text));
        const auto [first, is_new] = seen.emplace(piece.text, id);
        if (!is_new) fail("{}: {} is already piece {}", where, quote(piece.text), first->second);
        has_normal = has_normal || piece.type == PieceType::normal;
        if (piece.type == PieceType::byte) {
            if (!byte_of_token(piece.text))
                fail("{}: expected a byte such as <0x0A>, found {}", where, quote(piece.text));
            ++bytes;
        }
        if (piece.type != PieceType::unknown) continue;
        if (unknown) fail("{}: expected one unknown piece, found it and piece {}", where, *unknown);
        unknown = id;
    }
    if (data.pieces.empty()) fail("{}: expected a sentencepiece model with pieces, found none", file);
    if (!unknown) fail("{}: expected one piece of type unknown among its {}, found none", file, data.pieces.size());
    if (!has_normal) fail("{}: expected a piece of type normal among its {}, found none", file, data.pieces.size());
    if (data.byte_fallback && bytes != 256)
        fail("{}: expected 256 pieces of type byte for byte_fallback, found {}", file, bytes);
    if (!data.byte_fallback && bytes != 0)
        fail("{}: expected no pieces of type byte without byte_fallback, found {}", file, bytes);
    if (!data.charsmap.empty())
        static_cast<void>(Charsmap(data.charsmap, fmt::format("{}: normalizer_spec.precompiled_charsmap", file)));
}

SentencePieceData read_sentencepiece_file(const std::filesystem::path& path, std::int64_t max_pieces) {
    return parse_sentencepiece_file(read_model_file(path, kMaxBytes), path.filename().string(), max_pieces);
}

SentencePieceData parse_sentencepiece_file(std::string_view bytes, std::string_view file, std::int64_t max_pieces) {
    SentencePieceData data;
    Message message(bytes, file, bytes);
    bool has_trainer = false;
    while (const std::optional<Field> field = message.next()) {
        if (field->number == kModelPieces) {
            message.require(*field, kBytes, "pieces");
            if (static_cast<std::int64_t>(data.pieces.size()) == max_pieces)
                fail("{}: expected at most {} pieces (the model's vocab_size), found more", file, max_pieces);
            const std::string where = fmt::format("{}: piece {}", file, data.pieces.size());
            data.pieces.push_back(read_piece(Message(field->bytes, file, bytes), where));
        } else if (field->number == kModelTrainer) {
            message.require(*field, kBytes, "trainer_spec");
            read_trainer(Message(field->bytes, file, bytes), file, data);
            has_trainer = true;
        } else if (field->number == kModelNormalizer) {
            message.require(*field, kBytes, "normalizer_spec");
            read_normalizer_spec(Message(field->bytes, file, bytes), file, data);
        }
    }
    if (data.pieces.empty()) fail("{}: expected a sentencepiece model with pieces, found none", file);
    if (!has_trainer) fail("{}: expected a sentencepiece model with a trainer_spec, found none", file);
    check_sentencepiece(data, file);
    return data;
}

}  // namespace vitro
