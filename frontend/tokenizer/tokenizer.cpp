#include "frontend/tokenizer/tokenizer.h"

#include "base/error.h"
#include "frontend/tokenizer/unicode.h"

#include <utility>

namespace vitro {
namespace {

constexpr std::int64_t kMaxVocabSize = std::int64_t{1} << 22;

std::string with_spaces(std::string_view piece) {
    std::string text;
    for (std::size_t i = 0; i < piece.size();) {
        const bool space = piece.substr(i).starts_with(kSpaceMark);
        text += space ? ' ' : piece[i];
        i += space ? kSpaceMark.size() : 1;
    }
    return text;
}

std::string with_marks(std::string_view text) {
    std::string piece;
    for (const char c : text) c == ' ' ? piece += kSpaceMark : piece += c;
    return piece;
}

std::vector<std::string> piece_texts(SentencePieceModel model, const TokenizerRules& rules) {
    std::vector<std::string> texts;
    for (SentencePiece& piece : model.pieces) texts.push_back(std::move(piece.text));
    // An added token in the place of a piece (a placeholder that a fine-tune put to use) renames it.
    for (const AddedToken& token : rules.added)
        if (static_cast<std::size_t>(token.id) < texts.size())
            texts[static_cast<std::size_t>(token.id)] = token.content;
    return texts;
}

AddedTokenSplitter splitter_of(const TokenizerRules& rules, bool normalized) {
    std::vector<AddedToken> tokens;
    for (AddedToken token : rules.added) {
        if (token.normalized != normalized) continue;
        // Where the mark is put before the text is searched, such a token is only found behind one.
        if (normalized && rules.prefix == PrefixRule::always) token.content = with_marks(" " + token.content);
        tokens.push_back(std::move(token));
    }
    return AddedTokenSplitter(std::move(tokens));
}

std::optional<std::int32_t> id_or_none(std::int32_t id) { return id < 0 ? std::nullopt : std::optional(id); }

/// For each byte of replace_invalid_utf8(text), and its end, the place in `text`.
std::vector<std::size_t> origins_of_replaced(std::string_view text) {
    std::vector<std::size_t> origins;
    std::size_t i = 0;
    while (i < text.size()) {
        const Utf8Char c = first_char(text.substr(i));
        for (std::size_t k = 0; k < (c.valid ? c.length : kReplacementChar.size()); ++k)
            origins.push_back(c.valid ? i + k : k == 0 ? i : i + c.length);
        i += c.length;
    }
    origins.push_back(i);
    return origins;
}

}  // namespace

/// A stretch of text with its spaces spelled "▁", and for each byte, and the end, its place in the text.
struct Tokenizer::Escaped {
    std::string text;
    std::vector<std::size_t> origins;

    Escaped(std::string_view whole, std::size_t begin, std::size_t end, bool prefix) {
        if (prefix) append_mark(begin, begin);
        for (std::size_t i = begin; i < end; ++i) {
            if (whole[i] == ' ') {
                append_mark(i, i + 1);
            } else {
                text += whole[i];
                origins.push_back(i);
            }
        }
        origins.push_back(end);
    }

    Escaped(const Escaped& other, std::size_t begin, std::size_t end)
        : text(other.text.substr(begin, end - begin)),
          origins(other.origins.begin() + static_cast<std::ptrdiff_t>(begin),
                  other.origins.begin() + static_cast<std::ptrdiff_t>(end) + 1) {}

    void append_mark(std::size_t begin, std::size_t end) {
        text += kSpaceMark;
        for (const std::size_t origin : {begin, end, end}) origins.push_back(origin);
    }
};

Tokenizer Tokenizer::load(const std::filesystem::path& model_directory, std::int64_t vocab_size) {
    if (vocab_size < 1 || vocab_size > kMaxVocabSize)
        fail("config.json: \"vocab_size\": expected a number in [1, {}], found {}", kMaxVocabSize, vocab_size);
    SentencePieceModel model = read_sentencepiece_model(model_directory / "tokenizer.model", vocab_size);
    TokenizerRules rules = read_tokenizer_rules(model_directory, model, vocab_size);
    return Tokenizer(std::move(model), std::move(rules), vocab_size);
}

Tokenizer::Tokenizer(SentencePieceModel model, TokenizerRules rules, std::int64_t vocab_size)
    : bpe_(piece_texts(model, rules), model.unknown_id),
      tokens_(static_cast<std::size_t>(vocab_size)),
      raw_splitter_(splitter_of(rules, false)),
      normalized_splitter_(splitter_of(rules, true)),
      prefix_(rules.prefix),
      strip_leading_space_(rules.strip_leading_space),
      add_bos_(rules.add_bos),
      add_eos_(rules.add_eos),
      bos_id_(id_or_none(rules.bos_id)),
      eos_id_(id_or_none(rules.eos_id)) {
    VITRO_CHECK(bpe_.size() <= vocab_size, "{} pieces", bpe_.size());
    for (std::int32_t id = 0; id < bpe_.size(); ++id) tokens_[static_cast<std::size_t>(id)].piece = bpe_.piece(id);
    for (const AddedToken& added : rules.added) {
        Token& token = tokens_.at(static_cast<std::size_t>(added.id));
        token.piece = added.content;
        token.special = added.special;
    }
    for (Token& token : tokens_) {
        token.text = with_spaces(token.piece);
        token.byte = byte_of_piece(token.piece);
    }
    added_ = std::move(rules.added);
}

void Tokenizer::check_id(std::int32_t id) const {
    if (id < 0 || id >= vocab_size()) fail("token id {}: expected an id in [0, {})", id, vocab_size());
}

const Tokenizer::Token& Tokenizer::token(std::int32_t id) const {
    check_id(id);
    return tokens_[static_cast<std::size_t>(id)];
}

std::optional<std::int32_t> Tokenizer::find(std::string_view piece) const {
    for (const AddedToken& added : added_)
        if (added.content == piece) return added.id;
    return bpe_.find(piece);
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool add_special) const {
    std::vector<std::int32_t> ids;
    for (const Piece& piece : encode_pieces(text, add_special)) ids.push_back(piece.id);
    return ids;
}

std::vector<Tokenizer::Piece> Tokenizer::encode_pieces(std::string_view text, bool add_special) const {
    if (!is_valid_utf8(text)) {
        std::vector<Piece> pieces = encode_pieces(replace_invalid_utf8(text), add_special);
        const std::vector<std::size_t> origins = origins_of_replaced(text);
        for (Piece& piece : pieces) piece = {piece.id, origins[piece.begin], origins[piece.end]};
        return pieces;
    }
    std::vector<Piece> pieces;
    if (add_special && add_bos_) pieces.push_back({*bos_id_, 0, 0});
    for (const AddedTokenSplitter::Segment& segment : raw_splitter_.split(text)) {
        if (segment.id == AddedTokenSplitter::kText)
            encode_section(text.substr(0, segment.end), segment.begin, pieces);
        else
            pieces.push_back({segment.id, segment.begin, segment.end});
    }
    if (add_special && add_eos_) pieces.push_back({*eos_id_, text.size(), text.size()});
    return pieces;
}

/// Encodes text[begin:], in which only normalized added tokens are still to be found.
void Tokenizer::encode_section(std::string_view text, std::size_t begin, std::vector<Piece>& out) const {
    if (prefix_ == PrefixRule::always) {
        const Escaped section(text, begin, text.size(), true);
        for (const AddedTokenSplitter::Segment& segment : normalized_splitter_.split(section.text)) {
            if (segment.id == AddedTokenSplitter::kText)
                encode_escaped(Escaped(section, segment.begin, segment.end), out);
            else
                out.push_back({segment.id, section.origins[segment.begin], section.origins[segment.end]});
        }
        return;
    }
    for (const AddedTokenSplitter::Segment& segment : normalized_splitter_.split(text.substr(begin))) {
        const std::size_t from = begin + segment.begin;
        const std::size_t to = begin + segment.end;
        if (segment.id != AddedTokenSplitter::kText) {
            out.push_back({segment.id, from, to});
            continue;
        }
        const bool marked = text[from] == ' ' || text.substr(from).starts_with(kSpaceMark);
        const bool here = prefix_ == PrefixRule::section || (prefix_ == PrefixRule::first && from == 0);
        encode_escaped(Escaped(text, from, to, here && !marked), out);
    }
}

void Tokenizer::encode_escaped(const Escaped& escaped, std::vector<Piece>& out) const {
    std::vector<Bpe::Symbol> symbols;
    bpe_.encode(escaped.text, symbols);
    for (const Bpe::Symbol& symbol : symbols)
        out.push_back({symbol.id, escaped.origins[symbol.begin], escaped.origins[symbol.begin + symbol.length]});
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special) const {
    std::string text;
    std::string run;  // of bytes
    const auto end_run = [&] {
        text += text_of_bytes(run);
        run.clear();
    };
    for (const std::int32_t id : ids) {
        const Token& next = token(id);
        if (next.piece.empty() || (skip_special && next.special)) continue;
        if (next.byte) {
            run += static_cast<char>(*next.byte);
        } else {
            end_run();
            text += next.text;
        }
    }
    end_run();
    if (strip_leading_space_ && text.starts_with(' ')) text.erase(0, 1);
    return text;
}

std::string text_of_bytes(std::string_view run) {
    if (is_valid_utf8(run)) return std::string(run);
    std::string text;
    for (std::size_t i = 0; i < run.size(); ++i) text += kReplacementChar;
    return text;
}

}  // namespace vitro
