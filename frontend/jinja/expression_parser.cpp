#include "base/error.h"
#include "frontend/jinja/parser.h"
#include "frontend/jinja/text.h"
#include "frontend/json.h"

#include <algorithm>
#include <array>

namespace vitro::jinja {
namespace {

std::vector<ExpressionPtr> children(ExpressionPtr first, ExpressionPtr second = nullptr) {
    std::vector<ExpressionPtr> both;
    both.push_back(std::move(first));
    if (second != nullptr) both.push_back(std::move(second));
    return both;
}

}  // namespace

ExpressionPtr Parser::make(Op op, std::vector<ExpressionPtr> children) {
    if (++nodes_ > limits_.max_nodes) fail("expected a template of at most {} parts, found more", limits_.max_nodes);
    auto made = std::make_unique<Expression>();
    made->op = op;
    made->line = current_.line;
    for (const ExpressionPtr& child : children) deepen(*made, child.get());
    made->children = std::move(children);
    return made;
}

/// Chains such as a + b + c grow deep without the parser going deep.
void Parser::deepen(Expression& parent, const Expression* child) const {
    if (child == nullptr) return;
    parent.depth = std::max(parent.depth, child->depth + 1);
    if (parent.depth > limits_.max_depth)
        fail("expected expressions nested at most {} deep, found a deeper one", limits_.max_depth);
}

ExpressionPtr Parser::expression(bool with_condition) {
    const Nesting nesting(*this);
    ExpressionPtr left = logical(0);
    while (with_condition && skip_name("if")) {
        ExpressionPtr condition = logical(0);
        ExpressionPtr otherwise = skip_name("else") ? expression() : nullptr;
        std::vector<ExpressionPtr> parts = children(std::move(condition), std::move(left));
        parts.push_back(std::move(otherwise));
        left = make(Op::conditional, std::move(parts));
    }
    return left;
}

ExpressionPtr Parser::tuple(bool with_condition, bool in_parentheses) {
    const auto ends = [&] {
        return current_.kind == Token::Kind::output_end || current_.kind == Token::Kind::block_end ||
               current_.is_symbol(")");
    };
    std::vector<ExpressionPtr> items;
    bool comma = false;
    while (!ends()) {
        items.push_back(expression(with_condition));
        if (!current_.is_symbol(",")) break;
        comma = true;
        take();
    }
    if (!comma && items.size() == 1) return std::move(items[0]);
    if (items.empty() && !in_parentheses) refuse("an expression");
    return make(Op::tuple, std::move(items));
}

/// or, and below it and.
ExpressionPtr Parser::logical(int level) {
    const std::string_view word = level == 0 ? "or" : "and";
    const auto operand = [&] { return level == 0 ? logical(1) : negation(); };
    ExpressionPtr left = operand();
    while (skip_name(word))
        left = make(level == 0 ? Op::logical_or : Op::logical_and, children(std::move(left), operand()));
    return left;
}

ExpressionPtr Parser::negation() {
    if (!skip_name("not")) return comparison();
    const Nesting nesting(*this);
    return make(Op::logical_not, children(negation()));
}

ExpressionPtr Parser::comparison() {
    constexpr std::array<std::string_view, 6> kSymbols{"==", "!=", "<", "<=", ">", ">="};
    ExpressionPtr first = sum();
    std::vector<ExpressionPtr> operands;
    std::vector<std::string> words;
    for (;;) {
        const bool symbol = current_.kind == Token::Kind::symbol &&
                            std::find(kSymbols.begin(), kSymbols.end(), current_.text) != kSymbols.end();
        if (symbol) {
            words.emplace_back(take().text);
        } else if (current_.is_name("in")) {
            words.emplace_back(take().text);
        } else if (current_.is_name("not") && ahead_.is_name("in")) {
            take();
            take();
            words.emplace_back("not in");
        } else {
            break;
        }
        if (operands.empty()) operands.push_back(std::move(first));
        operands.push_back(sum());
    }
    if (operands.empty()) return first;
    ExpressionPtr made = make(Op::compare, std::move(operands));
    made->words = std::move(words);
    return made;
}

ExpressionPtr Parser::binary(std::initializer_list<std::string_view> operators,
                             const std::function<ExpressionPtr()>& operand) {
    ExpressionPtr left = operand();
    while (current_.kind == Token::Kind::symbol &&
           std::find(operators.begin(), operators.end(), current_.text) != operators.end()) {
        std::string op(take().text);
        left = make(Op::binary, children(std::move(left), operand()));
        left->text = std::move(op);
    }
    return left;
}

ExpressionPtr Parser::sum() {
    return binary({"+", "-"}, [&] { return concatenation(); });
}

ExpressionPtr Parser::concatenation() {
    const auto product = [&] {
        return binary({"*", "/", "//", "%"}, [&] { return binary({"**"}, [&] { return unary(); }); });
    };
    ExpressionPtr first = product();
    if (!current_.is_symbol("~")) return first;
    std::vector<ExpressionPtr> parts = children(std::move(first));
    while (skip_symbol("~")) parts.push_back(product());
    return make(Op::concatenate, std::move(parts));
}

ExpressionPtr Parser::unary(bool filters) {
    const Nesting nesting(*this);
    ExpressionPtr made;
    if (skip_symbol("-"))
        made = make(Op::negative, children(unary(false)));
    else if (skip_symbol("+"))
        made = make(Op::positive, children(unary(false)));
    else
        made = primary();
    made = with_postfixes(std::move(made));
    return filters ? with_filters(std::move(made)) : std::move(made);
}

ExpressionPtr Parser::primary() {
    if (current_.kind == Token::Kind::name) return name_or_constant();
    if (current_.kind == Token::Kind::integer || current_.kind == Token::Kind::real) return number();
    if (current_.kind == Token::Kind::string) {
        std::string text;
        while (current_.kind == Token::Kind::string) text += string_value(take().text);
        ExpressionPtr made = make(Op::literal);
        made->value = Value::text(std::move(text));
        return made;
    }
    if (skip_symbol("(")) {
        ExpressionPtr made = tuple(true, true);
        expect_symbol(")");
        return made;
    }
    if (skip_symbol("[")) return list();
    if (skip_symbol("{")) return dict();
    refuse("an expression");
}

ExpressionPtr Parser::name_or_constant() {
    const std::string_view name = take().text;
    if (name == "true" || name == "True" || name == "false" || name == "False") {
        ExpressionPtr made = make(Op::literal);
        made->value = name == "true" || name == "True";
        return made;
    }
    if (name == "none" || name == "None") return make(Op::literal);
    ExpressionPtr made = make(Op::name);
    made->symbol = symbol(name);
    for (MacroDefinition* macro : macros_) {
        macro->uses_caller |= name == "caller";
        macro->uses_varargs |= name == "varargs";
        macro->uses_kwargs |= name == "kwargs";
    }
    return made;
}

ExpressionPtr Parser::number() {
    const Token token = take();
    ExpressionPtr made = make(Op::literal);
    if (token.kind == Token::Kind::integer) {
        const auto value = parse_integer(token.text, 0);
        if (!value) fail("expected an integer of at most 64 bits, found {}", quote(token.text));
        made->value = *value;
    } else {
        const auto value = parse_float(token.text);
        if (!value) fail("expected a number, found {}", quote(token.text));
        made->value = *value;
    }
    return made;
}

ExpressionPtr Parser::list() {
    std::vector<ExpressionPtr> items;
    while (!skip_symbol("]")) {
        if (!items.empty()) {
            expect_symbol(",");
            if (skip_symbol("]")) break;
        }
        items.push_back(expression());
    }
    return make(Op::list, std::move(items));
}

ExpressionPtr Parser::dict() {
    std::vector<ExpressionPtr> members;
    while (!skip_symbol("}")) {
        if (!members.empty()) {
            expect_symbol(",");
            if (skip_symbol("}")) break;
        }
        members.push_back(expression());
        expect_symbol(":");
        members.push_back(expression());
    }
    return make(Op::dict, std::move(members));
}

ExpressionPtr Parser::with_postfixes(ExpressionPtr made) {
    for (;;) {
        if (current_.is_symbol(".") || current_.is_symbol("["))
            made = subscript(std::move(made));
        else if (current_.is_symbol("("))
            made = call(std::move(made));
        else
            return made;
    }
}

/// Filters, tests and calls behind an expression; null stands for the text of a block.
ExpressionPtr Parser::with_filters(ExpressionPtr made) {
    for (;;) {
        if (skip_symbol("|"))
            made = filter(std::move(made));
        else if (made != nullptr && skip_name("is"))
            made = test(std::move(made));
        else if (made != nullptr && current_.is_symbol("("))
            made = call(std::move(made));
        else
            return made;
    }
}

std::string Parser::dotted_name() {
    std::string name = expect_name();
    while (skip_symbol(".")) name += "." + expect_name();
    return name;
}

ExpressionPtr Parser::filter(ExpressionPtr input) {
    std::vector<ExpressionPtr> inputs;
    inputs.push_back(std::move(input));
    ExpressionPtr made = make(Op::filter, std::move(inputs));
    made->text = dotted_name();
    if (skip_symbol("(")) arguments(*made);
    return made;
}

ExpressionPtr Parser::test(ExpressionPtr subject) {
    const bool negated = skip_name("not");
    ExpressionPtr made = make(Op::test, children(std::move(subject)));
    made->text = dotted_name();
    const bool word = current_.is_name("else") || current_.is_name("or") || current_.is_name("and");
    const bool begins_operand = current_.kind == Token::Kind::name || current_.kind == Token::Kind::string ||
                                current_.kind == Token::Kind::integer || current_.kind == Token::Kind::real ||
                                current_.is_symbol("[") || current_.is_symbol("{");
    if (skip_symbol("(")) {
        arguments(*made);
    } else if (begins_operand && !word) {
        if (current_.is_name("is")) fail("tests cannot be chained with \"is\"");
        ExpressionPtr operand = with_postfixes(primary());
        deepen(*made, operand.get());
        made->arguments.emplace_back().value = std::move(operand);
    }
    return negated ? make(Op::logical_not, children(std::move(made))) : std::move(made);
}

ExpressionPtr Parser::subscript(ExpressionPtr object) {
    if (skip_symbol(".")) {
        if (current_.kind == Token::Kind::integer) {
            ExpressionPtr key = number();
            return make(Op::item, children(std::move(object), std::move(key)));
        }
        ExpressionPtr made = make(Op::attribute, children(std::move(object)));
        made->text = expect_name();
        return made;
    }
    expect_symbol("[");
    std::vector<ExpressionPtr> keys;
    bool comma = false;
    while (!current_.is_symbol("]")) {
        if (!keys.empty()) {
            expect_symbol(",");
            comma = true;
        }
        keys.push_back(index());
    }
    take();
    if (keys.empty()) refuse("an index");
    if (comma) {
        for (const ExpressionPtr& key : keys)
            if (key->op == Op::slice) fail("a slice among several indices is not supported");
        ExpressionPtr key = make(Op::tuple, std::move(keys));
        return make(Op::item, children(std::move(object), std::move(key)));
    }
    if (keys[0]->op != Op::slice) return make(Op::item, children(std::move(object), std::move(keys[0])));
    ExpressionPtr made = std::move(keys[0]);
    deepen(*made, object.get());
    made->children[0] = std::move(object);
    return made;
}

/// What stands in brackets: an expression, or a slice whose object is still to come.
ExpressionPtr Parser::index() {
    const auto ends = [&] { return current_.is_symbol("]") || current_.is_symbol(",") || current_.is_symbol(":"); };
    ExpressionPtr first = ends() ? nullptr : expression();
    if (first != nullptr && !current_.is_symbol(":")) return first;
    expect_symbol(":");
    std::vector<ExpressionPtr> parts;
    parts.push_back(nullptr);
    parts.push_back(std::move(first));
    parts.push_back(ends() ? nullptr : expression());
    parts.push_back(skip_symbol(":") && !ends() ? expression() : nullptr);
    return make(Op::slice, std::move(parts));
}

ExpressionPtr Parser::call(ExpressionPtr callee) {
    ExpressionPtr made = make(Op::call, children(std::move(callee)));
    expect_symbol("(");
    arguments(*made);
    return made;
}

/// Of a call, up to the closing parenthesis; the opening one is passed.
void Parser::arguments(Expression& call) {
    std::vector<Argument>& all = call.arguments;
    while (!skip_symbol(")")) {
        if (!all.empty()) {
            expect_symbol(",");
            if (skip_symbol(")")) break;
        }
        Argument argument;
        if (skip_symbol("**")) {
            argument.kind = Argument::Kind::unpacked_names;
        } else if (skip_symbol("*")) {
            argument.kind = Argument::Kind::unpacked;
        } else if (current_.kind == Token::Kind::name && ahead_.is_symbol("=")) {
            argument.kind = Argument::Kind::named;
            argument.name = expect_name();
            take();
        } else if (!all.empty() && all.back().kind != Argument::Kind::positional &&
                   all.back().kind != Argument::Kind::unpacked) {
            fail("expected named arguments behind a named one, found {}", current_.described());
        }
        argument.value = expression();
        deepen(call, argument.value.get());
        all.push_back(std::move(argument));
    }
}

}  // namespace vitro::jinja
