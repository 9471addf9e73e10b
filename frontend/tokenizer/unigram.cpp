#include "base/error.h"
#include "frontend/tokenizer/byte_trie.h"
#include "frontend/tokenizer/token_model.h"
#include "frontend/tokenizer/unicode.h"

#include <algorithm>
#include <limits>

namespace vitro {
namespace {

constexpr double kUnknownPenalty = 10;  // below the least score, as in sentencepiece
constexpr std::size_t kNone = static_cast<std::size_t>(-1);

class Unigram final : public TokenModel {
public:
    Unigram(std::shared_ptr<const Vocabulary> vocabulary, std::vector<double> scores, const UnigramOptions& options)
        : vocabulary_(std::move(vocabulary)), scores_(std::move(scores)), options_(options) {
        VITRO_CHECK(scores_.size() == vocabulary_->size(), "{} scores", scores_.size());
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t id = 0; id < scores_.size(); ++id) {
            const std::string& token = vocabulary_->tokens()[id];
            least = std::min(least, scores_[id]);
            if (!token.empty()) trie_.add(token, *vocabulary_->find(token));
        }
        unknown_score_ = least - kUnknownPenalty;
        byte_ids_ = vocabulary_->byte_ids();
    }

    void encode(std::string_view word, std::vector<Symbol>& out) const override {
        const std::size_t first = out.size();
        const std::vector<Node> best = best_paths(word);
        for (std::size_t end = word.size(); end > 0;) {
            const Node& node = best[end];
            Symbol symbol{node.id, node.begin, end};
            // Neighbouring unknown characters are one token.
            if (is_unknown(node.id))
                while (symbol.begin > 0 && is_unknown(best[symbol.begin].id)) symbol.begin = best[symbol.begin].begin;
            end = symbol.begin;
            append(word, symbol, out);
        }
        std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
    }

private:
    /// How the best path to a place gets there.
    struct Node {
        std::int32_t id = 0;
        double score = 0;
        std::size_t begin = kNone;
    };

    bool is_unknown(std::int32_t id) const { return options_.unk_id == id; }

    /// [word.size() + 1]; one per byte, of which those inside characters are not reached.
    std::vector<Node> best_paths(std::string_view word) const {
        std::vector<Node> best(word.size() + 1);
        for (std::size_t begin = 0; begin < word.size();) {
            const std::size_t char_length = first_char(word.substr(begin)).length;
            const double here = best[begin].score;
            bool has_char = false;
            const auto propose = [&](std::int32_t id, double score, std::size_t end) {
                Node& node = best[end];
                if (node.begin == kNone || here + score > node.score) node = {id, here + score, begin};
            };
            trie_.prefixes(word.substr(begin), [&](std::int32_t id, std::size_t length) {
                propose(id, scores_[static_cast<std::size_t>(id)], begin + length);
                has_char = has_char || length == char_length;
            });
            if (!has_char) {
                if (!options_.unk_id)
                    fail("the tokenizer has no token for {}, and no unknown token", word.substr(begin, char_length));
                propose(*options_.unk_id, unknown_score_, begin + char_length);
            }
            begin += char_length;
        }
        return best;
    }

    /// Appends a token, from right to left where it is several.
    void append(std::string_view word, Symbol symbol, std::vector<Symbol>& out) const {
        const std::string_view text = word.substr(symbol.begin, symbol.end - symbol.begin);
        const auto known =
            is_unknown(symbol.id) ? vocabulary_->find(text) : symbol.id;  // also the unknown token's name
        symbol.id = known.value_or(symbol.id);
        const bool bytes = options_.byte_fallback && !known && std::all_of(text.begin(), text.end(), [&](char byte) {
                               return byte_ids_[static_cast<unsigned char>(byte)] >= 0;
                           });
        if (!bytes) {
            out.push_back(symbol);
            return;
        }
        for (std::size_t i = symbol.end; i-- > symbol.begin;)
            out.push_back({byte_ids_[static_cast<unsigned char>(word[i])], i, i + 1});
    }

    std::shared_ptr<const Vocabulary> vocabulary_;
    std::vector<double> scores_;
    UnigramOptions options_;
    ByteTrie trie_;
    double unknown_score_ = 0;
    std::array<std::int32_t, 256> byte_ids_{};
};

}  // namespace

std::unique_ptr<TokenModel> make_unigram(std::shared_ptr<const Vocabulary> vocabulary, std::vector<double> scores,
                                         const UnigramOptions& options) {
    return std::make_unique<Unigram>(std::move(vocabulary), std::move(scores), options);
}

}  // namespace vitro
