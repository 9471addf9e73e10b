// A template's text to tokens, with the white space around blocks treated as trim_blocks and lstrip_blocks ask for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vitro::jinja {

struct Token {
    enum class Kind : std::uint8_t {
        text,          // between the tags
        output_begin,  // {{
        output_end,
        block_begin,  // {%
        block_end,
        name,
        string,  // as it stands in the template, quotes included: see string_value
        integer,
        real,
        symbol,  // an operator or a bracket
        end,     // of the template
    };
    Kind kind = Kind::end;
    std::string_view text;
    std::uint32_t line = 1;

    bool is(Kind k, std::string_view t) const { return kind == k && text == t; }
    bool is_name(std::string_view t) const { return is(Kind::name, t); }
    bool is_symbol(std::string_view t) const { return is(Kind::symbol, t); }
    /// For an error: "'endif'", "the end of the template".
    std::string described() const;
};

class Lexer {
public:
    /// `source` has newlines only as \n and lives as long as the tokens.
    explicit Lexer(std::string_view source) : source_(source) {}

    /// Error for what is no token, a tag without an end, and brackets that do not match.
    Token next();
    /// The line that was reached, for errors.
    std::uint32_t line() const { return line_; }

private:
    bool next_in_text(Token& token);
    bool enter_raw(Token& token, std::size_t tag);
    void skip_comment(std::size_t tag);
    Token next_in_tag();
    bool end_of_tag(Token& token);
    Token name_or_number();
    Token string();
    Token symbol();

    bool at(std::string_view text) const { return source_.substr(position_).starts_with(text); }
    char peek(std::size_t ahead = 0) const {
        return position_ + ahead < source_.size() ? source_[position_ + ahead] : '\0';
    }
    Token token(Token::Kind kind, std::size_t length);
    void advance(std::size_t length);
    void skip_space();
    std::string_view before_tag(std::size_t tag, bool is_output) const;
    void finish_tag(std::size_t length, char sign);

    enum class State : std::uint8_t { text, output, block };

    std::string_view source_;
    std::size_t position_ = 0;
    std::uint32_t line_ = 1;
    State state_ = State::text;
    bool pending_tag_ = false;    // the text before it was given out
    std::vector<char> brackets_;  // that are open, as the ones that close them
};

/// The value of a string token: Python's escapes. Error for one that is cut short or names no character.
std::string string_value(std::string_view token);

}  // namespace vitro::jinja
