#include "base/error.h"
#include "frontend/jinja/filters.h"
#include "frontend/jinja/format.h"
#include "frontend/jinja/functions.h"
#include "frontend/jinja/interpreter.h"
#include "frontend/jinja/methods.h"
#include "frontend/jinja/operators.h"
#include "frontend/json.h"

#include <algorithm>

namespace vitro::jinja {

Value Interpreter::evaluate(const Expression& expression) {
    const std::uint32_t line = line_;
    enter(expression.line);
    Value value = apply(expression);
    --depth_;
    line_ = line;
    return value;
}

Value Interpreter::look_up(Symbol symbol) {
    for (const Scope* scope = scope_; scope != nullptr; scope = scope->outer) {
        heap_.work_on_values(scope->variables.size());
        for (const auto& [own, value] : scope->variables)
            if (own == symbol) return value;
    }
    return Value::undefined(fmt::format("'{}' is undefined", program_.names[symbol]));
}

std::vector<Value> Interpreter::values_of(const std::vector<ExpressionPtr>& expressions) {
    std::vector<Value> values;
    values.reserve(expressions.size());
    for (const ExpressionPtr& expression : expressions)
        values.push_back(expression == nullptr ? Value() : evaluate(*expression));
    return values;
}

Value Interpreter::apply(const Expression& expression) {
    const auto child = [&](std::size_t i) { return evaluate(*expression.children[i]); };
    switch (expression.op) {
        case Op::literal:
            return expression.value;
        case Op::name:
            return look_up(expression.symbol);
        case Op::list:
        case Op::tuple:
            return make_list(heap_, values_of(expression.children), expression.op == Op::tuple);
        case Op::dict:
            return literal_dict(expression);
        case Op::attribute:
            return attribute_of(heap_, child(0), expression.text);
        case Op::item: {
            const Value object = child(0);
            return item_of(heap_, object, child(1));
        }
        case Op::slice: {
            const std::vector<Value> parts = values_of(expression.children);
            return slice_of(heap_, parts[0], parts[1], parts[2], parts[3]);
        }
        case Op::call:
            return called(expression, nullptr);
        case Op::filter: {
            const Value input = expression.children[0] == nullptr ? block_text_ : child(0);
            return apply_filter(heap_, expression.text, input, arguments_of(expression));
        }
        case Op::test: {
            const Value subject = child(0);
            return apply_test(heap_, expression.text, subject, arguments_of(expression));
        }
        case Op::logical_not:
            return !truth(child(0));
        case Op::logical_and:
        case Op::logical_or: {
            Value left = child(0);
            return truth(left) == (expression.op == Op::logical_or) ? left : child(1);
        }
        case Op::negative:
            return negative(heap_, child(0));
        case Op::positive:
            return binary(heap_, "+", std::int64_t{0}, child(0));
        case Op::binary: {
            const Value left = child(0);
            return binary(heap_, expression.text, left, child(1));
        }
        case Op::concatenate: {
            TextBuilder out(heap_);
            for (const ExpressionPtr& part : expression.children) append_str(out, evaluate(*part));
            return make_text(out);
        }
        case Op::compare:
            return compared(expression);
        case Op::conditional:
            if (truth(child(0))) return child(1);
            if (expression.children[2] != nullptr) return child(2);
            return Value::undefined("the condition of an inline if is false, and there is no else");
    }
    return {};
}

Value Interpreter::literal_dict(const Expression& expression) {
    std::vector<std::pair<Value, Value>> members;
    for (std::size_t i = 0; i < expression.children.size(); i += 2) {
        Value key = evaluate(*expression.children[i]);
        members.emplace_back(std::move(key), evaluate(*expression.children[i + 1]));
    }
    return make_dict(heap_, std::move(members));
}

Value Interpreter::compared(const Expression& expression) {
    Value left = evaluate(*expression.children[0]);
    for (std::size_t i = 0; i < expression.words.size(); ++i) {
        Value right = evaluate(*expression.children[i + 1]);
        const std::string& word = expression.words[i];
        bool holds = false;
        if (word == "==" || word == "!=")
            holds = equal(heap_, left, right) == (word == "==");
        else if (word == "in" || word == "not in")
            holds = contains(heap_, right, left) == (word == "in");
        else if (word == "<" || word == ">=")
            holds = (compare(heap_, left, right) < 0) == (word == "<");
        else
            holds = (compare(heap_, left, right) > 0) == (word == ">");
        if (!holds) return false;
        left = std::move(right);
    }
    return true;
}

Arguments Interpreter::arguments_of(const Expression& call) {
    Arguments arguments;
    for (const Argument& argument : call.arguments) {
        Value value = evaluate(*argument.value);
        switch (argument.kind) {
            case Argument::Kind::positional:
                arguments.positional.push_back(std::move(value));
                break;
            case Argument::Kind::named:
                arguments.named.emplace_back(argument.name, std::move(value));
                break;
            case Argument::Kind::unpacked:
                for (Value& item : items_of(heap_, value)) arguments.positional.push_back(std::move(item));
                break;
            case Argument::Kind::unpacked_names: {
                const Dict* dict = value.get<Dict>();
                if (dict == nullptr) fail("expected a dict behind \"**\", found {}", described_type(value));
                for (const auto& [key, member] : (*dict)->members) {
                    if (key.text() == nullptr)
                        fail("expected texts as keys behind \"**\", found {}", described_type(key));
                    arguments.named.emplace_back(*key.text(), member);
                }
            }
        }
    }
    return arguments;
}

Value Interpreter::called(const Expression& call, const Value* caller) {
    const Value callee = evaluate(*call.children[0]);
    require_defined(callee);
    Arguments arguments = arguments_of(call);
    if (caller != nullptr) arguments.named.emplace_back("caller", *caller);
    line_ = call.line;
    if (const Macro* macro = callee.get<Macro>()) return call_macro(**macro, arguments);
    if (const Method* method = callee.get<Method>()) return call_method(heap_, **method, arguments);
    if (const auto* function = callee.get<const Function*>()) return call_function(**function, arguments);
    fail("expected something that can be called, found {}", described_type(callee));
}

Value Interpreter::call_function(const Function& function, const Arguments& arguments) {
    if (function.call != nullptr) return function.call(heap_, arguments);
    if (function.name == "strftime_now") {
        const Value& format = *arguments.bind(function.name, {"format"}, 1)[0];
        if (format.text() == nullptr) fail("strftime_now: expected a format, found {}", described_type(format));
        return make_text(heap_, formatted_time(*format.text(), now_));
    }
    const Value given = make_dict_of(heap_, arguments);
    heap_.take(sizeof(NamespaceBody) + 64);
    NamespaceBody& space = *namespaces_.emplace_back(std::make_unique<NamespaceBody>());
    for (const auto& [key, value] : (*given.get<Dict>())->members) {
        heap_.take(128);
        space.attributes.emplace_back(str_of(heap_, key), value);
    }
    return &space;
}

/// Gives the parameters their values in the macro's own scope, which is current.
void Interpreter::bind_parameters(const MacroDefinition& macro, const Arguments& arguments) {
    auto named = arguments.named;
    const auto take = [&](std::string_view name) -> std::optional<Value> {
        const auto at = std::find_if(named.begin(), named.end(), [&](const auto& one) { return one.first == name; });
        if (at == named.end()) return std::nullopt;
        Value value = std::move(at->second);
        named.erase(at);
        return value;
    };
    const std::size_t count = macro.parameters.size();
    for (std::size_t i = 0; i < count; ++i) {
        const Parameter& parameter = macro.parameters[i];
        std::optional<Value> value;
        if (i < arguments.positional.size())
            value = arguments.positional[i];
        else
            value = take(parameter.name);
        if (!value && parameter.default_value != nullptr) value = evaluate(*parameter.default_value);
        if (!value) value = Value::undefined(fmt::format("parameter '{}' was not provided", parameter.name));
        set(parameter.symbol, std::move(*value));
    }
    if (macro.uses_caller) {
        std::optional<Value> caller = take("caller");
        set(program_.known.caller, caller ? std::move(*caller) : Value::undefined("no caller defined"));
    }
    if (macro.uses_kwargs) {
        std::vector<std::pair<Value, Value>> members;
        for (auto& [name, value] : named) members.emplace_back(make_text(heap_, name), std::move(value));
        set(program_.known.kwargs, make_dict(heap_, std::move(members)));
    } else if (!named.empty()) {
        fail("macro {}: it has no argument {}", quote(macro.name), quote(named[0].first));
    }
    if (macro.uses_varargs) {
        const auto begin =
            arguments.positional.begin() + static_cast<std::ptrdiff_t>(std::min(count, arguments.positional.size()));
        set(program_.known.varargs, make_list(heap_, {begin, arguments.positional.end()}, true));
    } else if (arguments.positional.size() > count) {
        fail("macro {}: expected at most {} arguments, found {}", quote(macro.name), count,
             arguments.positional.size());
    }
}

Value Interpreter::call_macro(const MacroBody& macro, const Arguments& arguments) {
    const Frame frame(*this, macro.scope);
    bind_parameters(*macro.definition, arguments);
    Capture capture(*this);
    execute(macro.definition->body);
    return capture.take();
}

}  // namespace vitro::jinja
