#include "frontend/jinja/lexer.h"

#include "base/error.h"
#include "frontend/jinja/text.h"
#include "frontend/json.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace vitro::jinja {
namespace {

constexpr std::array<std::string_view, 27> kSymbols{"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                    "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                    ">",  "<",  "=",  ".",  ":",  "|",  ",", ";", "!"};

bool is_digit_of(char c, int base) {
    if (base == 16) return std::isxdigit(static_cast<unsigned char>(c)) != 0;
    return c >= '0' && c < '0' + base;
}

/// Length of the digits at the front of `text`, with single underscores between them.
std::size_t digits_length(std::string_view text, int base = 10) {
    std::size_t length = 0;
    while (length < text.size()) {
        const bool joined =
            text[length] == '_' && length > 0 && length + 1 < text.size() && is_digit_of(text[length + 1], base);
        if (!is_digit_of(text[length], base) && !joined) break;
        ++length;
    }
    return length;
}

}  // namespace

std::string Token::described() const {
    switch (kind) {
        case Kind::end:
            return "the end of the template";
        case Kind::text:
            return "text";
        case Kind::output_begin:
            return "\"{{\"";
        case Kind::output_end:
            return "\"}}\"";
        case Kind::block_begin:
            return "\"{%\"";
        case Kind::block_end:
            return "\"%}\"";
        default:
            return quote(text);
    }
}

void Lexer::advance(std::size_t length) {
    const std::string_view passed = source_.substr(position_, length);
    line_ += static_cast<std::uint32_t>(std::count(passed.begin(), passed.end(), '\n'));
    position_ += passed.size();
}

Token Lexer::token(Token::Kind kind, std::size_t length) {
    const Token made{kind, source_.substr(position_, length), line_};
    advance(length);
    return made;
}

void Lexer::skip_space() {
    while (position_ < source_.size() && is_space(code_point_of(source_.substr(position_)))) {
        advance(code_point_length(source_[position_]));
    }
}

Token Lexer::next() {
    if (state_ != State::text) return next_in_tag();
    Token found;
    while (position_ < source_.size()) {
        if (next_in_text(found)) return found;
    }
    return {Token::Kind::end, {}, line_};
}

/// The text between here and the tag, less the white space that the tag takes away.
std::string_view Lexer::before_tag(std::size_t tag, bool is_output) const {
    std::string_view text = source_.substr(position_, tag - position_);
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    if (sign == '-') return stripped(text, std::nullopt, false, true);
    if (sign == '+' || is_output) return text;
    const std::size_t newline = text.rfind('\n');
    const bool line_starts_here = newline != std::string_view::npos || position_ == 0 || source_[position_ - 1] == '\n';
    const std::string_view kept = text.substr(0, newline == std::string_view::npos ? 0 : newline + 1);
    return line_starts_here && stripped(text.substr(kept.size())).empty() ? kept : text;
}

bool Lexer::next_in_text(Token& found) {
    std::size_t tag = position_;
    for (;; ++tag) {
        tag = source_.find('{', tag);
        if (tag == std::string_view::npos || tag + 1 >= source_.size()) {
            found = token(Token::Kind::text, source_.size() - position_);
            return true;
        }
        if (source_[tag + 1] == '{' || source_[tag + 1] == '%' || source_[tag + 1] == '#') break;
    }
    const bool is_output = source_[tag + 1] == '{';
    if (!std::exchange(pending_tag_, true)) {
        const std::string_view text = before_tag(tag, is_output);
        const std::uint32_t line = line_;
        advance(tag - position_);
        if (!text.empty()) {
            found = {Token::Kind::text, text, line};
            return true;
        }
    }
    pending_tag_ = false;
    if (source_[tag + 1] == '#') {
        skip_comment(tag);
        return false;
    }
    if (!is_output && enter_raw(found, tag)) return !found.text.empty();
    const bool sign = peek(2) == '-' || peek(2) == '+';
    found = token(is_output ? Token::Kind::output_begin : Token::Kind::block_begin, sign ? 3 : 2);
    state_ = is_output ? State::output : State::block;
    return true;
}

/// Goes past the end of a tag, whose last `length` bytes are ahead, and past the white space that it takes away.
void Lexer::finish_tag(std::size_t length, char sign) {
    advance(length);
    if (sign == '-')
        skip_space();
    else if (sign != '+' && peek() == '\n')
        advance(1);
}

void Lexer::skip_comment(std::size_t tag) {
    const std::size_t end = source_.find("#}", tag + 2);
    if (end == std::string_view::npos) fail("expected the end of a comment, \"#}}\", found the end of the template");
    const char sign = end > tag + 2 ? source_[end - 1] : '\0';
    advance(end - position_);
    finish_tag(2, sign);
}

/// Whether the tag here is {% raw %}; then `found` is the text up to {% endraw %}, and the reader is behind that.
bool Lexer::enter_raw(Token& found, std::size_t tag) {
    const auto match = [&](std::size_t at, std::string_view word, char& open, char& close) -> std::size_t {
        const std::size_t begin = at;
        at += 2;
        open = at < source_.size() ? source_[at] : '\0';
        if (open == '-' || open == '+') ++at;
        const auto spaces = [&] {
            while (at < source_.size() && is_space(static_cast<unsigned char>(source_[at]))) ++at;
        };
        spaces();
        if (!source_.substr(at).starts_with(word)) return 0;
        at += word.size();
        spaces();
        close = at < source_.size() ? source_[at] : '\0';
        if (close == '-' || close == '+') ++at;
        return source_.substr(at).starts_with("%}") ? at + 2 - begin : 0;
    };
    char open = 0, close = 0;
    const std::size_t length = match(tag, "raw", open, close);
    if (length == 0 || close == '+') return false;
    advance(length);
    if (close == '-') skip_space();
    for (std::size_t at = position_; (at = source_.find("{%", at)) != std::string_view::npos; at += 2) {
        const std::size_t end = match(at, "endraw", open, close);
        if (end == 0) continue;
        found = {Token::Kind::text, before_tag(at, false), line_};
        advance(at - position_);
        finish_tag(end, close);
        return true;
    }
    fail("expected the end of a raw block, found the end of the template");
}

bool Lexer::end_of_tag(Token& found) {
    if (!brackets_.empty()) return false;
    const bool output = state_ == State::output;
    const std::string_view end = output ? "}}" : "%}";
    const char sign = peek() == '-' || (!output && peek() == '+') ? peek() : '\0';
    const std::size_t length = sign != '\0' ? 3 : 2;
    if (!source_.substr(position_ + length - 2).starts_with(end)) return false;
    found = {output ? Token::Kind::output_end : Token::Kind::block_end, source_.substr(position_, length), line_};
    finish_tag(length, output && sign != '-' ? '+' : sign);
    state_ = State::text;
    return true;
}

Token Lexer::next_in_tag() {
    skip_space();
    if (position_ >= source_.size()) return {Token::Kind::end, {}, line_};
    Token found;
    if (end_of_tag(found)) return found;
    if (peek() == '"' || peek() == '\'') return string();
    if (is_name(code_point_of(source_.substr(position_)))) return name_or_number();
    return symbol();
}

Token Lexer::name_or_number() {
    const std::string_view rest = source_.substr(position_);
    if (!is_digit_of(rest[0], 10)) {
        std::size_t length = 0;
        while (length < rest.size() && is_name(code_point_of(rest.substr(length))))
            length += code_point_length(rest[length]);
        return token(Token::Kind::name, length);
    }
    const char mark =
        rest.size() > 2 && rest[0] == '0' ? static_cast<char>(std::tolower(static_cast<unsigned char>(rest[1]))) : '\0';
    if (const int base = mark == 'x' ? 16 : (mark == 'o' ? 8 : (mark == 'b' ? 2 : 0)); base != 0) {
        if (const std::size_t length = digits_length(rest.substr(2), base))
            return token(Token::Kind::integer, 2 + length);
    }
    std::size_t length = digits_length(rest);
    const std::size_t whole = length;
    const bool after_dot = position_ > 0 && source_[position_ - 1] == '.';  // x.0.1 asks for two items
    if (!after_dot && length < rest.size() && rest[length] == '.') {
        if (const std::size_t fraction = digits_length(rest.substr(length + 1))) length += 1 + fraction;
    }
    if (!after_dot && length < rest.size() && (rest[length] == 'e' || rest[length] == 'E')) {
        const std::size_t sign =
            length + 1 < rest.size() && (rest[length + 1] == '+' || rest[length + 1] == '-') ? 1 : 0;
        if (const std::size_t exponent = digits_length(rest.substr(std::min(rest.size(), length + 1 + sign))))
            length += 1 + sign + exponent;
    }
    return token(length == whole ? Token::Kind::integer : Token::Kind::real, length);
}

Token Lexer::string() {
    const char mark = peek();
    std::size_t length = 1;
    while (peek(length) != mark) {
        if (position_ + length >= source_.size()) fail("expected the end of a string, found the end of the template");
        length += peek(length) == '\\' ? 2 : 1;
    }
    return token(Token::Kind::string, length + 1);
}

Token Lexer::symbol() {
    const auto found = std::find_if(kSymbols.begin(), kSymbols.end(), [&](std::string_view s) { return at(s); });
    if (found == kSymbols.end() || *found == "!") {
        fail("expected an expression, found {}", quote(source_.substr(position_, code_point_length(peek()))));
    }
    const Token made = token(Token::Kind::symbol, found->size());
    const char c = made.text[0];
    if (c == '(' || c == '[' || c == '{') brackets_.push_back(c == '(' ? ')' : (c == '[' ? ']' : '}'));
    if (c == ')' || c == ']' || c == '}') {
        if (brackets_.empty()) fail("found '{}' without the bracket that it closes", c);
        if (brackets_.back() != c) fail("expected '{}', found '{}'", brackets_.back(), c);
        brackets_.pop_back();
    }
    return made;
}

std::string string_value(std::string_view token) {
    std::string_view rest = token.substr(1, token.size() - 2);
    std::string value;
    const auto number = [&](std::size_t length, int base) {
        std::uint32_t code = 0;
        const char* end = rest.data() + std::min(length, rest.size());
        const auto result = std::from_chars(rest.data(), end, code, base);
        const bool surrogate = code >= 0xd800 && code < 0xe000;
        if (result.ptr != end || rest.size() < length || code > 0x10ffff || surrogate)
            fail("expected an escape sequence for a character, found another one in {}", quote(token));
        value += utf8_of(code);
        rest.remove_prefix(length);
    };
    while (!rest.empty()) {
        const std::size_t plain = std::min(rest.find('\\'), rest.size());
        value += rest.substr(0, plain);
        rest.remove_prefix(plain);
        if (rest.empty()) break;
        const char escape = rest[1];
        constexpr std::string_view kLetters = "abfnrtv\\'\"", kValues = "\a\b\f\n\r\t\v\\'\"";
        if (escape >= '0' && escape <= '7') {
            rest.remove_prefix(1);
            number(std::min<std::size_t>(3, std::min(rest.find_first_not_of("01234567"), rest.size())), 8);
            continue;
        }
        rest.remove_prefix(2);
        if (const std::size_t at = kLetters.find(escape); at != std::string_view::npos)
            value += kValues[at];
        else if (escape == 'x' || escape == 'u' || escape == 'U')
            number(escape == 'x' ? 2 : (escape == 'u' ? 4 : 8), 16);
        else if (escape == 'N')
            fail("escapes by a character's name are not supported, found one in {}", quote(token));
        else if (escape != '\n')
            (value += '\\') += escape;
    }
    return value;
}

}  // namespace vitro::jinja
