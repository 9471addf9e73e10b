// Jinja as chat templates use it: what jinja2 3.1 makes of a template in transformers' environment (its sandbox that
// keeps lists and dicts from changing, trim_blocks, lstrip_blocks, loop controls, `generation` blocks, a tojson that
// escapes nothing for HTML, raise_exception and strftime_now), or an Error.
//
// Left out: include, import, extends and block (a chat template is one file), recursive loops, loop.changed, integers
// beyond 64 bits, and the filters that make HTML (striptags, urlize, xmlattr, ...).
#pragma once

#include "frontend/jinja/ast.h"
#include "frontend/jinja/interpreter.h"

#include <ctime>
#include <string>
#include <string_view>

namespace vitro::jinja {

class Template {
public:
    /// Error, "FILE: line N: ...", for what is no template. Errors of rendering speak of `file` too.
    Template(std::string_view source, std::string file, const Limits& limits = {});

    /// The text. `now` is what strftime_now tells. Error where the template refuses the variables by
    /// raise_exception, does what jinja2 would not, or goes past a limit.
    std::string render(const Variables& variables, std::time_t now) const;

private:
    std::string file_;
    Limits limits_;
    Program program_;
};

}  // namespace vitro::jinja
