// Runs a program: walks its statements and writes the text that they make.
#pragma once

#include "frontend/jinja/ast.h"
#include "frontend/jinja/heap.h"
#include "frontend/jinja/value.h"

#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace vitro::jinja {

/// Names and values that a template is rendered with.
using Variables = std::vector<std::pair<std::string, Value>>;

/// Names of a block. A name that is not here is looked for further out.
struct Scope {
    Scope* outer = nullptr;
    std::vector<std::pair<Symbol, Value>> variables;
    bool kept = false;  // a macro was defined in it, which may be called when the block has ended
};

struct MacroBody {
    const MacroDefinition* definition = nullptr;
    Scope* scope = nullptr;  // that it was defined in
};

class Interpreter {
public:
    Interpreter(const Program& program, const Limits& limits, std::time_t now);

    /// Error, without the line, for whatever goes wrong: see `line`. To be called once.
    std::string run(const Variables& variables);
    /// The line that was reached, for errors.
    std::uint32_t line() const { return line_; }

private:
    class Frame;
    class Capture;
    enum class Flow : std::uint8_t { onward, next_round, leave_loop };

    // statements.cpp
    Flow execute(const Block& block);
    Flow execute(const Statement& statement);
    Flow apply(const Statement& statement);
    Flow choose(const Statement& statement);
    Flow loop(const Statement& statement);
    Flow scoped(const Statement& statement);
    void assign_block(const Statement& statement);
    void call_block(const Statement& statement);
    void assign(const Target& target, Value value);
    void set(Symbol symbol, Value value);
    Value captured(const Block& block);
    Value filtered(const Expression& filters, Value text);
    Value define(const MacroDefinition& definition);

    // expressions.cpp
    Value evaluate(const Expression& expression);
    Value apply(const Expression& expression);
    Value look_up(Symbol symbol);
    Value compared(const Expression& expression);
    Value literal_dict(const Expression& expression);
    std::vector<Value> values_of(const std::vector<ExpressionPtr>& expressions);
    Arguments arguments_of(const Expression& call);
    Value called(const Expression& call, const Value* caller);
    Value call_function(const Function& function, const Arguments& arguments);
    Value call_macro(const MacroBody& macro, const Arguments& arguments);
    void bind_parameters(const MacroDefinition& macro, const Arguments& arguments);

    void enter(std::uint32_t line);

    const Program& program_;
    Heap heap_;  // outlives all values
    std::time_t now_;
    std::vector<std::unique_ptr<NamespaceBody>> namespaces_;
    std::vector<std::unique_ptr<Scope>> kept_scopes_;
    Scope outermost_;
    Scope* scope_ = &outermost_;
    Value block_text_;  // what the first filter of a block's filters takes
    TextBuilder* out_ = nullptr;
    std::uint32_t line_ = 1;
    int depth_ = 0;
};

/// A scope for as long as it lives, inside `outer`.
class Interpreter::Frame {
public:
    Frame(Interpreter& interpreter, Scope* outer);
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;
    ~Frame();

private:
    Interpreter& interpreter_;
    Scope* before_;
    std::unique_ptr<Scope> scope_;
};

/// Takes what is written for as long as it lives.
class Interpreter::Capture {
public:
    explicit Capture(Interpreter& interpreter)
        : interpreter_(interpreter), text_(interpreter.heap_), before_(std::exchange(interpreter.out_, &text_)) {}
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;
    ~Capture() { interpreter_.out_ = before_; }

    Value take() { return make_text(text_); }

private:
    Interpreter& interpreter_;
    TextBuilder text_;
    TextBuilder* before_;
};

}  // namespace vitro::jinja
