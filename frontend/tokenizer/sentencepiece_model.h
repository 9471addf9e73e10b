// The file tokenizer.model: a sentencepiece ModelProto, of which the pieces matter here. It is read by hand (protobuf's
// wire format, https://protobuf.dev/programming-guides/encoding) because what comes from a file must be checked anyway.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// How sentencepiece_model.proto numbers them.
enum class PieceType { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

struct SentencePiece {
    std::string text;  // valid UTF-8, not empty, unlike every other piece
    PieceType type = PieceType::normal;
};

struct SentencePieceModel {
    std::vector<SentencePiece> pieces;  // a piece's id is its index; exactly one is of type unknown
    std::int32_t unknown_id = 0;
};

/// Error when `path` is no regular file of at most 64 MiB, or not a byte-pair model with 1 to `max_pieces` sound
/// pieces.
SentencePieceModel read_sentencepiece_model(const std::filesystem::path& path, std::int64_t max_pieces);

/// As above, of the file's `bytes`; errors speak of it as `file`.
SentencePieceModel parse_sentencepiece_model(std::string_view bytes, std::string_view file, std::int64_t max_pieces);

}  // namespace vitro
