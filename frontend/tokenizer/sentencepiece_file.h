// The file tokenizer.model: a sentencepiece ModelProto. libsentencepiece segments text by it, but aborts on some files
// and trusts others, so the bytes (protobuf's wire format, https://protobuf.dev/programming-guides/encoding) are
// checked here, and the library is given what was found sound.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// How sentencepiece_model.proto, and GGUF files, number them.
enum class PieceType { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

struct SentencePiece {
    std::string text;  // valid UTF-8, not empty, unlike every other piece
    float score = 0;
    PieceType type = PieceType::normal;
};

/// What libsentencepiece needs to know. The members that are no pieces are those of trainer_spec and normalizer_spec.
struct SentencePieceData {
    std::vector<SentencePiece> pieces;  // a piece's id is its index; exactly one is of type unknown
    bool unigram = false;               // else byte-pair encoding
    bool byte_fallback = false;
    std::string charsmap;  // precompiled_charsmap
    bool add_dummy_prefix = true;
    bool remove_extra_whitespaces = true;
};

/// Error when `path` is no regular file of at most 64 MiB, or not a model with 1 to `max_pieces` sound pieces.
SentencePieceData read_sentencepiece_file(const std::filesystem::path& path, std::int64_t max_pieces);

/// As above, of the file's `bytes`; errors speak of it as `file`.
SentencePieceData parse_sentencepiece_file(std::string_view bytes, std::string_view file, std::int64_t max_pieces);

/// Error, which opens with `file`, when libsentencepiece must not see `data`.
void check_sentencepiece(const SentencePieceData& data, std::string_view file);

}  // namespace vitro
