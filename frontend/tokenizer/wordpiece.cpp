#include "frontend/tokenizer/byte_trie.h"
#include "frontend/tokenizer/token_model.h"

#include <algorithm>

namespace vitro {
namespace {

class WordPiece final : public TokenModel {
public:
    WordPiece(std::shared_ptr<const Vocabulary> vocabulary, WordPieceOptions options)
        : vocabulary_(std::move(vocabulary)), options_(std::move(options)) {
        const std::string& prefix = options_.continuing_subword_prefix;
        for (const std::string& token : vocabulary_->tokens()) {
            if (token.empty()) continue;
            const std::int32_t id = *vocabulary_->find(token);
            starts_.add(token, id);
            if (token.starts_with(prefix) && token.size() > prefix.size())
                continues_.add(std::string_view(token).substr(prefix.size()), id);
        }
    }

    void encode(std::string_view word, std::vector<Symbol>& out) const override {
        const auto chars = static_cast<std::size_t>(std::count_if(
            word.begin(), word.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
        const std::size_t first = out.size();
        std::size_t begin = 0;
        while (chars <= options_.max_input_chars_per_word && begin < word.size()) {
            Symbol longest{0, begin, begin};
            (begin == 0 ? starts_ : continues_).prefixes(word.substr(begin), [&](std::int32_t id, std::size_t length) {
                longest = {id, begin, begin + length};
            });
            if (longest.end == begin) break;
            out.push_back(longest);
            begin = longest.end;
        }
        if (begin == word.size()) return;
        out.resize(first);
        out.push_back({options_.unk_id, 0, word.size()});
    }

private:
    std::shared_ptr<const Vocabulary> vocabulary_;
    WordPieceOptions options_;
    ByteTrie starts_, continues_;
};

class WordLevel final : public TokenModel {
public:
    WordLevel(std::shared_ptr<const Vocabulary> vocabulary, std::int32_t unk_id)
        : vocabulary_(std::move(vocabulary)), unk_id_(unk_id) {}

    void encode(std::string_view word, std::vector<Symbol>& out) const override {
        out.push_back({vocabulary_->find(word).value_or(unk_id_), 0, word.size()});
    }

private:
    std::shared_ptr<const Vocabulary> vocabulary_;
    std::int32_t unk_id_;
};

}  // namespace

std::unique_ptr<TokenModel> make_wordpiece(std::shared_ptr<const Vocabulary> vocabulary,
                                           const WordPieceOptions& options) {
    return std::make_unique<WordPiece>(std::move(vocabulary), options);
}

std::unique_ptr<TokenModel> make_word_level(std::shared_ptr<const Vocabulary> vocabulary, std::int32_t unk_id) {
    return std::make_unique<WordLevel>(std::move(vocabulary), unk_id);
}

}  // namespace vitro
