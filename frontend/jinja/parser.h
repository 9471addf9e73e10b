// Tokens to a program, by Jinja's grammar (jinja2/parser.py of 3.1 has the rules of precedence).
#pragma once

#include "frontend/jinja/ast.h"
#include "frontend/jinja/lexer.h"

#include <functional>
#include <initializer_list>
#include <string_view>
#include <unordered_map>

namespace vitro::jinja {

class Parser {
public:
    Parser(std::string_view source, const Limits& limits);

    /// Error for what is no template, without the line: see `line`.
    Program parse();
    /// The line that was reached, for errors.
    std::uint32_t line() const { return current_.line; }

private:
    /// Counts how deep the parser stands in the template's blocks and expressions.
    class Nesting;

    // parser.cpp: statements
    Block block(std::initializer_list<std::string_view> ends);
    std::unique_ptr<Statement> statement();
    std::unique_ptr<Statement> make(Act act);
    std::unique_ptr<Statement> choose();
    std::unique_ptr<Statement> loop();
    std::unique_ptr<Statement> assignment();
    std::unique_ptr<Statement> macro();
    std::unique_ptr<Statement> call_block();
    std::unique_ptr<Statement> filter_block();
    std::unique_ptr<Statement> with_block();
    std::unique_ptr<Statement> generation_block();
    void parameters(MacroDefinition& definition);
    void macro_body(MacroDefinition& definition, std::string_view end);
    Target target(bool with_namespace);
    Target one_target(bool with_namespace);
    Symbol symbol(std::string_view name);
    void expect_block_end();
    /// The body up to {% end %}, whose tag is passed.
    Block body_until(std::string_view end);

    // expression_parser.cpp
    ExpressionPtr make(Op op, std::vector<ExpressionPtr> children = {});
    ExpressionPtr expression(bool with_condition = true);
    /// Expressions with commas between them are a tuple.
    ExpressionPtr tuple(bool with_condition, bool in_parentheses = false);
    ExpressionPtr logical(int level);
    ExpressionPtr negation();
    ExpressionPtr comparison();
    ExpressionPtr sum();
    ExpressionPtr concatenation();
    ExpressionPtr binary(std::initializer_list<std::string_view> operators,
                         const std::function<ExpressionPtr()>& operand);
    ExpressionPtr unary(bool with_filters = true);
    ExpressionPtr primary();
    ExpressionPtr name_or_constant();
    ExpressionPtr number();
    ExpressionPtr list();
    ExpressionPtr dict();
    ExpressionPtr with_postfixes(ExpressionPtr expression);
    ExpressionPtr with_filters(ExpressionPtr expression);
    ExpressionPtr filter(ExpressionPtr input);
    ExpressionPtr test(ExpressionPtr subject);
    ExpressionPtr subscript(ExpressionPtr object);
    ExpressionPtr index();
    ExpressionPtr call(ExpressionPtr callee);
    void arguments(Expression& call);
    void deepen(Expression& parent, const Expression* child) const;
    std::string dotted_name();

    bool skip_name(std::string_view name);
    bool skip_symbol(std::string_view text);
    void expect_symbol(std::string_view text);
    std::string expect_name();
    Token take();
    [[noreturn]] void refuse(std::string_view expected) const;

    const Limits& limits_;
    Lexer lexer_;
    Token current_;
    Token ahead_;
    Program program_;
    std::unordered_map<std::string, Symbol> symbols_;
    std::size_t nodes_ = 0;
    int depth_ = 0;
    int loops_ = 0;                         // around the statement, in its macro
    std::vector<MacroDefinition*> macros_;  // around it
};

class Parser::Nesting {
public:
    explicit Nesting(Parser& parser);
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    ~Nesting() { --parser_.depth_; }

private:
    Parser& parser_;
};

}  // namespace vitro::jinja
