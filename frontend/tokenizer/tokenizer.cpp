#include "frontend/tokenizer/tokenizer.h"

#include "base/error.h"
#include "frontend/gguf/gguf_model.h"
#include "frontend/model_directory.h"
#include "frontend/tokenizer/tokenizer_files.h"
#include "frontend/tokenizer/unicode.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace vitro {
namespace {

AddedToken normalized(AddedToken token, const Normalizer& normalizer) {
    if (normalizer) token.content = normalizer(AlignedText(token.content, 0)).text;
    return token;
}

AddedTokenSplitter splitter_of(const std::vector<AddedToken>& added, bool is_normalized, const Normalizer& normalizer) {
    std::vector<AddedToken> tokens;
    for (const AddedToken& token : added) {
        if (token.normalized != is_normalized) continue;
        AddedToken found = is_normalized ? normalized(token, normalizer) : token;
        if (!found.content.empty()) tokens.push_back(std::move(found));
    }
    return AddedTokenSplitter(std::move(tokens));
}

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

Tokenizer Tokenizer::load(const std::filesystem::path& model_directory, std::int64_t vocab_size) {
    require_model_directory(model_directory);
    return Tokenizer(read_tokenizer_files(model_directory, vocab_size), vocab_size);
}

Tokenizer Tokenizer::load(const std::filesystem::path& model_directory) {
    if (is_gguf(model_directory)) {
        const GgufFile file = GgufFile::open(model_directory);
        const GgufVocabulary vocabulary = gguf_vocabulary(file);
        return Tokenizer(gguf_tokenizer(vocabulary, file.name()), std::ssize(vocabulary.tokens));
    }
    require_model_directory(model_directory);
    if (const auto vocab_size = read_vocab_size(model_directory)) return load(model_directory, *vocab_size);
    TokenizerParts parts = read_tokenizer_files(model_directory, kMaxVocabSize);
    std::size_t size = parts.tokens.size();
    for (const AddedToken& added : parts.added) size = std::max(size, static_cast<std::size_t>(added.id) + 1);
    return Tokenizer(std::move(parts), static_cast<std::int64_t>(size));
}

Tokenizer::Tokenizer(TokenizerParts parts, std::int64_t vocab_size)
    : tokens_(static_cast<std::size_t>(vocab_size)),
      raw_splitter_(splitter_of(parts.added, false, parts.normalizer)),
      normalized_splitter_(splitter_of(parts.added, true, parts.normalizer)),
      normalizer_(std::move(parts.normalizer)),
      pre_tokenizer_(std::move(parts.pre_tokenizer)),
      model_(std::move(parts.model)),
      around_(std::move(parts.post_processor)),
      decoder_(std::move(parts.decoder)),
      bos_id_(parts.bos_id),
      eos_id_(parts.eos_id) {
    if (parts.tokens.size() > tokens_.size())
        fail("the tokenizer has {} tokens: expected at most {}, the model's vocab_size", parts.tokens.size(),
             tokens_.size());
    for (std::size_t id = 0; id < parts.tokens.size(); ++id) tokens_[id].piece = std::move(parts.tokens[id]);
    for (const AddedToken& added : parts.added) {
        check_id(added.id);
        Token& token = tokens_[static_cast<std::size_t>(added.id)];
        token.piece = added.content;
        token.special = added.special;
        // What stands for a space in front of the token, as it is looked for, is a space of the text.
        if (added.normalized && normalized(added, normalizer_).content.starts_with(kSpaceMark) &&
            !added.content.starts_with(kSpaceMark) && !added.content.starts_with(' '))
            token.decoded = std::string(kSpaceMark) + added.content;
    }
    for (std::size_t id = 0; id < tokens_.size(); ++id)
        if (!tokens_[id].piece.empty()) ids_.insert_or_assign(tokens_[id].piece, static_cast<std::int32_t>(id));
    for (const AddedToken& added : parts.added)
        ids_.insert_or_assign(tokens_[static_cast<std::size_t>(added.id)].piece, added.id);
    for (const auto& ids : {around_.before, around_.after})
        for (const std::int32_t id : ids) check_id(id);
    for (const auto& id : {bos_id_, eos_id_})
        if (id) check_id(*id);
}

void Tokenizer::check_id(std::int32_t id) const {
    if (id < 0 || id >= vocab_size()) fail("token id {}: expected an id in [0, {})", id, vocab_size());
}

const Tokenizer::Token& Tokenizer::token(std::int32_t id) const {
    check_id(id);
    return tokens_[static_cast<std::size_t>(id)];
}

std::optional<std::int32_t> Tokenizer::find(std::string_view piece) const {
    const auto found = ids_.find(piece);
    if (found == ids_.end()) return std::nullopt;
    return found->second;
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool add_special) const {
    std::vector<std::int32_t> ids;
    for (const Piece& piece : encode_pieces(text, add_special)) ids.push_back(piece.id);
    return ids;
}

std::vector<Tokenizer::Piece> Tokenizer::encode_pieces(std::string_view text, bool add_special) const {
    if (text.size() > std::numeric_limits<std::uint32_t>::max() / 4)
        fail("expected a text of at most 1 GiB, found {} bytes", text.size());
    if (is_valid_utf8(text)) return encode_valid(text, add_special, nullptr);
    std::vector<Piece> pieces = encode_valid(replace_invalid_utf8(text), add_special, nullptr);
    const std::vector<std::size_t> origins = origins_of_replaced(text);
    for (Piece& piece : pieces) piece = {piece.id, origins[piece.begin], origins[piece.end]};
    return pieces;
}

Tokenizer::Trace Tokenizer::trace(std::string_view text) const {
    Trace trace;
    trace.pieces = encode_valid(replace_invalid_utf8(text), true, &trace);
    return trace;
}

std::vector<Tokenizer::Piece> Tokenizer::encode_valid(std::string_view text, bool add_special, Trace* trace) const {
    std::vector<Piece> pieces;
    if (add_special)
        for (const std::int32_t id : around_.before) pieces.push_back({id, 0, 0});
    for (const AddedTokenSplitter::Segment& segment : raw_splitter_.split(text)) {
        if (segment.id == AddedTokenSplitter::kText) {
            encode_section(text.substr(0, segment.end), segment.begin, pieces, trace);
            continue;
        }
        pieces.push_back({segment.id, segment.begin, segment.end});
        if (trace != nullptr) trace->added.push_back({segment.begin, segment.end, token(segment.id).piece});
    }
    if (add_special)
        for (const std::int32_t id : around_.after) pieces.push_back({id, text.size(), text.size()});
    return pieces;
}

/// Encodes text[begin:], in which only normalized added tokens are still to be found.
void Tokenizer::encode_section(std::string_view text, std::size_t begin, std::vector<Piece>& out, Trace* trace) const {
    AlignedText section(text.substr(begin), begin);
    if (normalizer_) section = normalizer_(std::move(section));
    if (trace != nullptr) trace->normalized.push_back({section.origin(0), section.end, section.text});
    std::vector<Symbol> symbols;
    for (const AddedTokenSplitter::Segment& segment : normalized_splitter_.split(section.text)) {
        if (segment.id != AddedTokenSplitter::kText) {
            out.push_back({segment.id, section.origin(segment.begin), section.origin(segment.end)});
            if (trace != nullptr) trace->added.push_back({out.back().begin, out.back().end, token(segment.id).piece});
            continue;
        }
        PreTokenized cut{section.part({segment.begin, segment.end}), {{0, segment.end - segment.begin}}};
        if (pre_tokenizer_) pre_tokenizer_(cut);
        const std::string_view view = cut.text.text;
        for (const TextRange& word : cut.words) {
            symbols.clear();
            model_->encode(view.substr(word.begin, word.end - word.begin), symbols);
            for (const Symbol& symbol : symbols)
                out.push_back(
                    {symbol.id, cut.text.origin(word.begin + symbol.begin), cut.text.origin(word.begin + symbol.end)});
            if (trace != nullptr)
                trace->words.push_back({cut.text.origin(word.begin), cut.text.origin(word.end),
                                        std::string(view.substr(word.begin, word.end - word.begin))});
        }
    }
}

std::string Tokenizer::push(DecodeStream& stream, std::int32_t id, bool skip_special) const {
    const Token& next = token(id);
    if (next.piece.empty() || (skip_special && next.special)) return {};
    return stream.push(next.decoded.empty() ? next.piece : next.decoded);
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special) const {
    DecodeStream stream = decode_stream();
    std::string text;
    for (const std::int32_t id : ids) text += push(stream, id, skip_special);
    return text + stream.finish();
}

}  // namespace vitro
