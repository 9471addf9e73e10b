// A template as its parser leaves it: expressions, statements, and the names they use.
#pragma once

#include "frontend/jinja/value.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vitro::jinja {

/// A name's number in its template.
using Symbol = std::uint32_t;

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

enum class Op : std::uint8_t {
    literal,      // value
    name,         // symbol
    list,         // children
    tuple,        // children
    dict,         // children: key, value, key, value ...
    attribute,    // children[0].text
    item,         // children[0][children[1]]
    slice,        // children[0][children[1]:children[2]:children[3]], null where not given
    call,         // children[0](arguments)
    filter,       // children[0] | text(arguments); children[0] is null in a filter block
    test,         // children[0] is text(arguments)
    logical_not,  // not children[0]
    logical_and,
    logical_or,
    negative,     // -children[0]
    positive,     // +children[0]
    binary,       // children[0] text children[1], text of + - * / // % **
    concatenate,  // children[0] ~ children[1] ~ ...
    compare,      // children[0] words[0] children[1] words[1] children[2] ...
    conditional,  // children[1] if children[0] else children[2] (null where not given)
};

struct Argument {
    enum class Kind : std::uint8_t { positional, named, unpacked, unpacked_names };  // x, name=x, *x, **x
    Kind kind = Kind::positional;
    std::string name;
    ExpressionPtr value;
};

struct Expression {
    Op op = Op::literal;
    std::uint32_t line = 0;
    int depth = 1;  // of expressions inside each other
    Symbol symbol = 0;
    Value value;
    std::string text;
    std::vector<ExpressionPtr> children;
    std::vector<std::string> words;
    std::vector<Argument> arguments;
};

/// What an assignment or a for loop writes to: a name, an attribute of a namespace, or several targets.
struct Target {
    std::uint32_t line = 0;
    Symbol symbol = 0;
    std::string attribute;
    std::vector<Target> parts;  // a tuple where not empty
};

struct Statement;
using Block = std::vector<std::unique_ptr<Statement>>;

struct Parameter {
    Symbol symbol = 0;
    std::string name;
    ExpressionPtr default_value;
};

/// A macro, or the body of a call block, which its macro calls as `caller`.
struct MacroDefinition {
    std::string name;
    std::vector<Parameter> parameters;
    Block body;
    bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
};

enum class Act : std::uint8_t {
    text,          // text
    output,        // expression
    choose,        // branches, the first whose condition holds; that of an else is null
    loop,          // for target in expression if condition: body; else_body where nothing came
    assign,        // target = expression
    assign_block,  // target = body, through the filters of expression where it is not null
    define_macro,  // macro, known as symbol
    call_block,    // expression, a call, with macro as its caller
    filter_block,  // body through the filters of expression
    scope,         // bindings, then body, in a scope of their own: with and generation
    leave_loop,    // break
    next_round,    // continue
};

struct Branch {
    ExpressionPtr condition;
    Block body;
};

struct Statement {
    Act act = Act::text;
    std::uint32_t line = 0;
    std::string text;
    Symbol symbol = 0;
    ExpressionPtr expression;
    ExpressionPtr condition;
    Target target;
    std::vector<Branch> branches;
    std::vector<std::pair<Target, ExpressionPtr>> bindings;
    Block body;
    Block else_body;
    std::unique_ptr<MacroDefinition> macro;
};

/// The symbols that the interpreter itself gives values to.
struct KnownSymbols {
    Symbol loop = 0, caller = 0, varargs = 0, kwargs = 0;
};

struct Program {
    std::vector<std::string> names;  // of symbols
    KnownSymbols known;
    Block body;
};

}  // namespace vitro::jinja
