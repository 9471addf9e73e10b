#include "frontend/jinja/template.h"

#include "base/error.h"
#include "frontend/jinja/parser.h"
#include "frontend/tokenizer/unicode.h"

namespace vitro::jinja {
namespace {

/// Every newline as \n, and the last one, which ends the file, left out.
std::string with_plain_newlines(std::string_view source) {
    std::string text;
    text.reserve(source.size());
    for (std::size_t i = 0; i < source.size(); ++i) {
        if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
        text += source[i] == '\r' ? '\n' : source[i];
    }
    if (text.ends_with('\n')) text.pop_back();
    return text;
}

}  // namespace

Template::Template(std::string_view source, std::string file, const Limits& limits)
    : file_(std::move(file)), limits_(limits) {
    if (source.size() > limits.max_source_bytes)
        fail("{}: expected a template of at most {} bytes, found {}", file_, limits.max_source_bytes, source.size());
    if (!is_valid_utf8(source)) fail("{}: expected a template in UTF-8, found bytes that are not", file_);
    const std::string text = with_plain_newlines(source);
    Parser parser(text, limits_);
    try {
        program_ = parser.parse();
    } catch (const Error& error) {
        fail("{}: line {}: {}", file_, parser.line(), error.what());
    }
}

std::string Template::render(const Variables& variables, std::time_t now) const {
    Interpreter interpreter(program_, limits_, now);
    try {
        return interpreter.run(variables);
    } catch (const Error& error) {
        fail("{}: line {}: {}", file_, interpreter.line(), error.what());
    }
}

}  // namespace vitro::jinja
