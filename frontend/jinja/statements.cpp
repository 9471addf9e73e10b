#include "base/error.h"
#include "frontend/jinja/format.h"
#include "frontend/jinja/functions.h"
#include "frontend/jinja/interpreter.h"

#include <algorithm>

namespace vitro::jinja {

Interpreter::Frame::Frame(Interpreter& interpreter, Scope* outer)
    : interpreter_(interpreter), before_(interpreter.scope_), scope_(std::make_unique<Scope>()) {
    scope_->outer = outer;
    interpreter.scope_ = scope_.get();
}

Interpreter::Frame::~Frame() {
    interpreter_.scope_ = before_;
    if (scope_->kept) interpreter_.kept_scopes_.push_back(std::move(scope_));
}

Interpreter::Interpreter(const Program& program, const Limits& limits, std::time_t now)
    : program_(program), heap_(limits), now_(now) {}

std::string Interpreter::run(const Variables& variables) {
    for (Symbol symbol = 0; symbol < program_.names.size(); ++symbol) {
        const std::string& name = program_.names[symbol];
        const auto named = [&](const auto& variable) { return variable.first == name; };
        const auto variable = std::find_if(variables.begin(), variables.end(), named);
        if (variable != variables.end()) {
            outermost_.variables.emplace_back(symbol, variable->second);
            continue;
        }
        for (const Function& function : functions())
            if (function.name == name) outermost_.variables.emplace_back(symbol, &function);
    }
    TextBuilder out(heap_);
    out_ = &out;
    const Frame frame(*this, &outermost_);
    execute(program_.body);
    return out.take();
}

void Interpreter::enter(std::uint32_t line) {
    line_ = line;
    heap_.work();
    if (++depth_ > heap_.limits().max_depth) {
        fail("expected blocks, expressions and calls at most {} deep inside each other, found deeper ones",
             heap_.limits().max_depth);
    }
}

Interpreter::Flow Interpreter::execute(const Block& block) {
    for (const auto& statement : block) {
        const Flow flow = execute(*statement);
        if (flow != Flow::onward) return flow;
    }
    return Flow::onward;
}

Interpreter::Flow Interpreter::execute(const Statement& statement) {
    const std::uint32_t line = line_;
    enter(statement.line);
    const Flow flow = apply(statement);
    --depth_;
    line_ = line;
    return flow;
}

Interpreter::Flow Interpreter::apply(const Statement& statement) {
    switch (statement.act) {
        case Act::text:
            out_->append(statement.text);
            break;
        case Act::output:
            append_str(*out_, evaluate(*statement.expression));
            break;
        case Act::choose:
            return choose(statement);
        case Act::loop:
            return loop(statement);
        case Act::assign:
            assign(statement.target, evaluate(*statement.expression));
            break;
        case Act::assign_block:
            assign_block(statement);
            break;
        case Act::define_macro:
            set(statement.symbol, define(*statement.macro));
            break;
        case Act::call_block:
            call_block(statement);
            break;
        case Act::filter_block:
            append_str(*out_, filtered(*statement.expression, captured(statement.body)));
            break;
        case Act::scope:
            return scoped(statement);
        case Act::leave_loop:
            return Flow::leave_loop;
        case Act::next_round:
            return Flow::next_round;
    }
    return Flow::onward;
}

Interpreter::Flow Interpreter::choose(const Statement& statement) {
    for (const Branch& branch : statement.branches) {
        if (branch.condition == nullptr || truth(evaluate(*branch.condition))) return execute(branch.body);
    }
    return Flow::onward;
}

Interpreter::Flow Interpreter::loop(const Statement& statement) {
    std::vector<Value> items = items_of(heap_, evaluate(*statement.expression));
    if (statement.condition != nullptr) {
        const auto refused = [&](const Value& item) {
            const Frame frame(*this, scope_);
            assign(statement.target, item);
            return !truth(evaluate(*statement.condition));
        };
        items.erase(std::remove_if(items.begin(), items.end(), refused), items.end());
    }
    if (items.empty()) {
        const Frame frame(*this, scope_);
        return execute(statement.else_body);
    }
    const Loop loop = make_loop(heap_, std::move(items));
    for (; loop->index < loop->items.size(); ++loop->index) {
        heap_.work();
        const Frame frame(*this, scope_);
        set(program_.known.loop, loop);
        assign(statement.target, loop->items[loop->index]);
        if (execute(statement.body) == Flow::leave_loop) break;
    }
    return Flow::onward;
}

Interpreter::Flow Interpreter::scoped(const Statement& statement) {
    std::vector<Value> values;
    for (const auto& [target, expression] : statement.bindings) values.push_back(evaluate(*expression));
    const Frame frame(*this, scope_);
    for (std::size_t i = 0; i < values.size(); ++i) assign(statement.bindings[i].first, std::move(values[i]));
    return execute(statement.body);
}

Value Interpreter::captured(const Block& block) {
    Capture capture(*this);
    const Frame frame(*this, scope_);
    execute(block);
    return capture.take();
}

Value Interpreter::filtered(const Expression& filters, Value text) {
    Value before = std::exchange(block_text_, std::move(text));
    Value result = evaluate(filters);
    block_text_ = std::move(before);
    return result;
}

void Interpreter::assign_block(const Statement& statement) {
    Value text = captured(statement.body);
    if (statement.expression != nullptr) text = filtered(*statement.expression, std::move(text));
    assign(statement.target, std::move(text));
}

Value Interpreter::define(const MacroDefinition& definition) {
    for (Scope* scope = scope_; scope != nullptr && !std::exchange(scope->kept, true); scope = scope->outer) {
        heap_.take(sizeof(Scope) + scope->variables.size() * sizeof(scope->variables[0]));
    }
    return std::make_shared<const MacroBody>(MacroBody{&definition, scope_});
}

void Interpreter::call_block(const Statement& statement) {
    const Value caller = define(*statement.macro);
    append_str(*out_, called(*statement.expression, &caller));
}

void Interpreter::set(Symbol symbol, Value value) {
    for (auto& [own, old] : scope_->variables) {
        if (own != symbol) continue;
        old = std::move(value);
        return;
    }
    heap_.work_on_values(scope_->variables.size());
    scope_->variables.emplace_back(symbol, std::move(value));
}

void Interpreter::assign(const Target& target, Value value) {
    line_ = target.line;
    if (!target.parts.empty()) {
        std::vector<Value> items = items_of(heap_, value);
        if (items.size() != target.parts.size())
            fail("expected {} values to assign, found {}", target.parts.size(), items.size());
        for (std::size_t i = 0; i < items.size(); ++i) assign(target.parts[i], std::move(items[i]));
        return;
    }
    if (target.attribute.empty()) return set(target.symbol, std::move(value));
    const Value holder = look_up(target.symbol);
    const Namespace* space = holder.get<Namespace>();
    if (space == nullptr) fail("expected a namespace to assign an attribute to, found {}", described_type(holder));
    heap_.work_on_values((*space)->attributes.size());
    for (auto& [name, old] : (*space)->attributes) {
        if (name != target.attribute) continue;
        old = std::move(value);
        return;
    }
    heap_.take(64 + target.attribute.size());
    (*space)->attributes.emplace_back(target.attribute, std::move(value));
}

}  // namespace vitro::jinja
