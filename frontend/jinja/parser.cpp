#include "frontend/jinja/parser.h"

#include "base/error.h"

#include <algorithm>

namespace vitro::jinja {

Parser::Nesting::Nesting(Parser& parser) : parser_(parser) {
    if (++parser_.depth_ > parser_.limits_.max_depth) {
        --parser_.depth_;
        fail("expected blocks and expressions nested at most {} deep, found deeper ones", parser_.limits_.max_depth);
    }
}

Parser::Parser(std::string_view source, const Limits& limits) : limits_(limits), lexer_(source) {
    program_.known = {symbol("loop"), symbol("caller"), symbol("varargs"), symbol("kwargs")};
}

Program Parser::parse() {
    current_.line = 1;
    ahead_.line = 1;
    take();
    take();
    program_.body = block({});
    if (current_.kind != Token::Kind::end) refuse("the end of the template");
    return std::move(program_);
}

Token Parser::take() {
    const Token taken = current_;
    current_ = ahead_;
    try {
        ahead_ = lexer_.next();
    } catch (const Error&) {
        current_.line = lexer_.line();
        throw;
    }
    return taken;
}

void Parser::refuse(std::string_view expected) const { fail("expected {}, found {}", expected, current_.described()); }

Symbol Parser::symbol(std::string_view name) {
    const auto [at, is_new] = symbols_.emplace(name, static_cast<Symbol>(program_.names.size()));
    if (is_new) program_.names.emplace_back(name);
    return at->second;
}

std::unique_ptr<Statement> Parser::make(Act act) {
    if (++nodes_ > limits_.max_nodes) fail("expected a template of at most {} parts, found more", limits_.max_nodes);
    auto made = std::make_unique<Statement>();
    made->act = act;
    made->line = current_.line;
    return made;
}

void Parser::expect_block_end() {
    if (current_.kind != Token::Kind::block_end) refuse("\"%}\"");
    take();
}

/// Statements up to a tag of one of the names in `ends`, whose "{%" is passed and whose name is current.
Block Parser::block(std::initializer_list<std::string_view> ends) {
    const Nesting nesting(*this);
    Block statements;
    for (;;) {
        const auto last = current_.kind;
        if (last == Token::Kind::text) {
            auto text = make(Act::text);
            text->text = take().text;
            statements.push_back(std::move(text));
        } else if (last == Token::Kind::output_begin) {
            take();
            auto output = make(Act::output);
            output->expression = tuple(true);
            if (current_.kind != Token::Kind::output_end) refuse("\"}}\"");
            take();
            statements.push_back(std::move(output));
        } else if (last == Token::Kind::block_begin) {
            take();
            if (std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return current_.is_name(end); }))
                return statements;
            statements.push_back(statement());
        } else {
            if (ends.size() == 0) return statements;
            refuse("{% " + std::string(*(ends.end() - 1)) + " %}");
        }
    }
}

Block Parser::body_until(std::string_view end) {
    expect_block_end();
    Block body = block({end});
    take();
    expect_block_end();
    return body;
}

std::unique_ptr<Statement> Parser::statement() {
    if (current_.kind != Token::Kind::name) refuse("the name of a tag");
    if (skip_name("if")) return choose();
    if (skip_name("for")) return loop();
    if (skip_name("set")) return assignment();
    if (skip_name("macro")) return macro();
    if (skip_name("call")) return call_block();
    if (skip_name("filter")) return filter_block();
    if (skip_name("with")) return with_block();
    if (skip_name("generation")) return generation_block();
    if (skip_name("print")) {
        auto output = make(Act::output);
        output->expression = tuple(true);
        expect_block_end();
        return output;
    }
    const bool leaves = current_.is_name("break");
    if (leaves || current_.is_name("continue")) {
        if (loops_ == 0) fail("found {} outside of a loop", current_.described());
        take();
        auto made = make(leaves ? Act::leave_loop : Act::next_round);
        expect_block_end();
        return made;
    }
    fail("expected a tag that is known here, found {}", current_.described());
}

std::unique_ptr<Statement> Parser::choose() {
    auto made = make(Act::choose);
    for (;;) {
        Branch& branch = made->branches.emplace_back();
        branch.condition = tuple(false);
        expect_block_end();
        branch.body = block({"elif", "else", "endif"});
        if (!skip_name("elif")) break;
    }
    if (skip_name("else")) {
        expect_block_end();
        made->branches.emplace_back().body = block({"endif"});
    }
    take();
    expect_block_end();
    return made;
}

std::unique_ptr<Statement> Parser::loop() {
    auto made = make(Act::loop);
    made->target = target(false);
    if (!skip_name("in")) refuse("\"in\"");
    made->expression = tuple(false);
    if (skip_name("if")) made->condition = expression();
    if (current_.is_name("recursive")) fail("recursive loops are not supported");
    expect_block_end();
    ++loops_;
    made->body = block({"else", "endfor"});
    --loops_;
    if (skip_name("else")) {
        expect_block_end();
        made->else_body = block({"endfor"});
    }
    take();
    expect_block_end();
    return made;
}

Target Parser::one_target(bool with_namespace) {
    Target made;
    made.line = current_.line;
    if (skip_symbol("(")) {
        made = target(with_namespace);
        expect_symbol(")");
        return made;
    }
    const std::string name = expect_name();
    made.symbol = symbol(name);
    if (with_namespace && skip_symbol(".")) {
        made.attribute = expect_name();
    } else if (name == "true" || name == "false" || name == "none" || name == "True" || name == "False" ||
               name == "None") {
        fail("expected a name that can be assigned to, found \"{}\"", name);
    }
    return made;
}

Target Parser::target(bool with_namespace) {
    const Nesting nesting(*this);
    Target first = one_target(with_namespace);
    if (!current_.is_symbol(",")) return first;
    Target tuple;
    tuple.line = first.line;
    tuple.parts.push_back(std::move(first));
    while (skip_symbol(",")) {
        if (current_.kind == Token::Kind::block_end || current_.is_name("in") || current_.is_symbol("=")) break;
        tuple.parts.push_back(one_target(with_namespace));
    }
    return tuple;
}

std::unique_ptr<Statement> Parser::assignment() {
    auto made = make(Act::assign);
    made->target = target(true);
    if (skip_symbol("=")) {
        made->expression = tuple(true);
        expect_block_end();
        return made;
    }
    made->act = Act::assign_block;
    if (current_.is_symbol("|")) made->expression = with_filters(nullptr);
    made->body = body_until("endset");
    return made;
}

void Parser::parameters(MacroDefinition& definition) {
    expect_symbol("(");
    while (!skip_symbol(")")) {
        if (!definition.parameters.empty()) {
            expect_symbol(",");
            if (skip_symbol(")")) break;
        }
        Parameter& parameter = definition.parameters.emplace_back();
        parameter.name = expect_name();
        parameter.symbol = symbol(parameter.name);
        if (skip_symbol("=")) {
            parameter.default_value = expression();
        } else if (definition.parameters.size() > 1 && (definition.parameters.end() - 2)->default_value != nullptr) {
            fail("expected a default value for the argument {}, since the one before has one", parameter.name);
        }
    }
}

void Parser::macro_body(MacroDefinition& definition, std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    macros_.push_back(&definition);
    definition.body = body_until(end);
    macros_.pop_back();
    loops_ = loops;
}

std::unique_ptr<Statement> Parser::macro() {
    auto made = make(Act::define_macro);
    made->macro = std::make_unique<MacroDefinition>();
    made->macro->name = expect_name();
    made->symbol = symbol(made->macro->name);
    parameters(*made->macro);
    macro_body(*made->macro, "endmacro");
    return made;
}

std::unique_ptr<Statement> Parser::call_block() {
    auto made = make(Act::call_block);
    made->macro = std::make_unique<MacroDefinition>();
    made->macro->name = "caller";
    if (current_.is_symbol("(")) parameters(*made->macro);
    made->expression = unary();
    if (made->expression->op != Op::call) refuse("a call of a macro");
    macro_body(*made->macro, "endcall");
    return made;
}

std::unique_ptr<Statement> Parser::filter_block() {
    auto made = make(Act::filter_block);
    made->expression = with_filters(filter(nullptr));
    made->body = body_until("endfilter");
    return made;
}

std::unique_ptr<Statement> Parser::with_block() {
    auto made = make(Act::scope);
    while (current_.kind != Token::Kind::block_end) {
        if (!made->bindings.empty()) expect_symbol(",");
        Target bound = one_target(false);
        expect_symbol("=");
        made->bindings.emplace_back(std::move(bound), expression());
    }
    made->body = body_until("endwith");
    return made;
}

std::unique_ptr<Statement> Parser::generation_block() {
    auto made = make(Act::scope);
    const int loops = std::exchange(loops_, 0);  // its body is a macro's for transformers
    made->body = body_until("endgeneration");
    loops_ = loops;
    return made;
}

bool Parser::skip_name(std::string_view name) {
    if (!current_.is_name(name)) return false;
    take();
    return true;
}

bool Parser::skip_symbol(std::string_view text) {
    if (!current_.is_symbol(text)) return false;
    take();
    return true;
}

void Parser::expect_symbol(std::string_view text) {
    if (!skip_symbol(text)) refuse("\"" + std::string(text) + "\"");
}

std::string Parser::expect_name() {
    if (current_.kind != Token::Kind::name) refuse("a name");
    return std::string(take().text);
}

}  // namespace vitro::jinja
