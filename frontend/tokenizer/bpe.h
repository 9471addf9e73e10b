// Byte-pair encoding over a sentencepiece vocabulary: adjacent pieces merge as long as their joined text is a piece
// too, the joined piece with the lowest id first. Hugging Face's fast tokenizers derive the same order as a list of
// merges (Sennrich et al. 2016); read off the vocabulary it needs no list.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace vitro {

class Bpe {
public:
    /// A stretch of the text, in order; `length` bytes from `begin`.
    struct Symbol {
        std::int32_t id = 0;
        std::size_t begin = 0;
        std::size_t length = 0;
    };

    /// `pieces[id]` is not empty and unlike the others; `unknown_id` stands for what has neither piece nor bytes.
    Bpe(std::vector<std::string> pieces, std::int32_t unknown_id);
    Bpe(Bpe&&) = default;
    Bpe& operator=(Bpe&&) = default;

    std::int32_t size() const { return static_cast<std::int32_t>(pieces_.size()); }
    const std::string& piece(std::int32_t id) const { return pieces_[static_cast<std::size_t>(id)]; }
    std::optional<std::int32_t> find(std::string_view piece) const;

    /// Appends the symbols of `text`, which is valid UTF-8. A character without a piece becomes its bytes' pieces
    /// (<0x0A>) where the vocabulary has all 256 of them, else part of one unknown symbol. Takes O(n log n) time.
    void encode(std::string_view text, std::vector<Symbol>& out) const;

private:
    struct Merger;

    std::vector<std::string> pieces_;
    std::unordered_map<std::string_view, std::int32_t> ids_;  // views into pieces_
    std::vector<std::int32_t> byte_ids_;                      // [256], or empty
    std::size_t longest_ = 0;                                 // bytes of the longest piece
    std::int32_t unknown_id_;
};

/// The byte that a piece stands for ("<0x0A>"), if it is of that form.
std::optional<unsigned char> byte_of_piece(std::string_view piece);

}  // namespace vitro
