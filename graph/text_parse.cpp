#include "graph/text.h"
#include "graph/verify.h"

#include <cctype>
#include <charconv>
#include <cstring>

namespace vitro {
namespace {

/// A recursive-descent reader of one graph file, line by line.
class Parser {
public:
    Parser(std::string_view text, std::string_view file, FindOp find_op)
        : rest_(text), file_(file), find_op_(find_op) {}

    Graph parse() {
        while (next_line()) statement();
        if (graph_.name.empty()) fail("{}: expected a line 'graph \"name\"', found none", file_);
        try {
            verify(graph_);
        } catch (const Error& error) {
            fail("{}: {}", file_, error.what());
        }
        return std::move(graph_);
    }

private:
    bool next_line() {
        while (!rest_.empty()) {
            const std::size_t end = rest_.find('\n');
            line_ = rest_.substr(0, end);
            rest_ = end == std::string_view::npos ? std::string_view{} : rest_.substr(end + 1);
            ++line_number_;
            at_ = 0;
            skip_spaces();
            if (!done()) return true;
        }
        return false;
    }

    bool done() const { return at_ >= line_.size() || line_[at_] == '#'; }
    void skip_spaces() {
        while (at_ < line_.size() && (line_[at_] == ' ' || line_[at_] == '\t' || line_[at_] == '\r')) ++at_;
    }

    [[noreturn]] void expected(std::string_view what) const {
        const std::string_view found = done() ? "the end of the line" : line_.substr(at_, 30);
        fail("{}:{}:{}: expected {}, found {}", file_, line_number_, at_ + 1, what, found);
    }

    bool accept(std::string_view token) {
        if (line_.substr(at_, token.size()) != token) return false;
        at_ += token.size();
        skip_spaces();
        return true;
    }
    void expect(std::string_view token) {
        if (!accept(token)) expected(fmt::format("'{}'", token));
    }

    static bool in_word(char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '/' || c == '-' || c == '+';
    }

    std::string word(std::string_view what) {
        const std::size_t begin = at_;
        while (at_ < line_.size() && in_word(line_[at_])) ++at_;
        if (at_ == begin) expected(what);
        std::string text(line_.substr(begin, at_ - begin));
        skip_spaces();
        return text;
    }

    /// The text of a string, a list or a word, for parse_attribute.
    std::string_view literal(std::string_view what) {
        const std::size_t begin = at_;
        if (line_.substr(at_, 1) == "\"") {
            for (++at_; at_ < line_.size() && line_[at_] != '"'; ++at_)
                if (line_[at_] == '\\') ++at_;
            if (at_ >= line_.size()) expected("the string's closing '\"'");
            ++at_;
        } else if (line_.substr(at_, 1) == "[") {
            at_ = line_.find(']', at_);
            if (at_ == std::string_view::npos) {
                at_ = begin;
                expected("a list with its closing ']'");
            }
            ++at_;
        } else {
            while (at_ < line_.size() && in_word(line_[at_])) ++at_;
            if (at_ == begin) expected(what);
        }
        const std::string_view text = line_.substr(begin, at_ - begin);
        skip_spaces();
        return text;
    }

    /// Parses the literal at this place into T, with the place in the error.
    template <class T>
    T value(std::string_view what) {
        const std::size_t begin = at_;
        const std::string_view text = literal(what);
        T out;
        try {
            parse_attribute(text, out);
        } catch (const Error&) {
            at_ = begin;
            expected(what);
        }
        return out;
    }

    char symbol() {
        const std::size_t begin = at_;
        const std::string name = word("a symbol");
        if (name.size() == 1 && name[0] >= 'A' && name[0] <= 'Z') return name[0];
        at_ = begin;
        expected("a symbol, one capital letter");
    }

    TensorType type() {
        TensorType out;
        out.dtype = value<DType>("a dtype");
        out.shape = value<Shape>("a shape [T, 64]");
        return out;
    }

    ValueId use() {
        const std::size_t begin = at_;
        expect("%");
        const ValueId id = graph_.find(word("a value"));
        if (id >= 0) return id;
        at_ = begin;
        expected("a value that stands above");
    }

    std::string define() {
        const std::size_t begin = at_;
        expect("%");
        std::string path = word("a value's path");
        if (graph_.find(path) < 0) return path;
        at_ = begin;
        expected("a new value");
    }

    void statement() {
        if (line_[at_] == '%') {
            definition();
        } else if (accept("graph ")) {
            graph_.name = value<std::string>("the graph's name in quotes");
        } else if (accept("symbol ")) {
            const char name = symbol();
            expect("<=");
            graph_.bounds[name] = value<std::int64_t>("a bound");
        } else if (accept("module ")) {
            Module module{value<std::string>("a path in quotes"), value<std::string>("a type in quotes"),
                          value<std::string>("a detail in quotes")};
            graph_.modules.push_back(std::move(module));
        } else if (accept("return ")) {
            graph_.results.push_back(use());
        } else if (accept("update ")) {
            const ValueId state = use();
            expect("=");
            graph_.updates.push_back({state, use()});
        } else {
            expected("graph, symbol, module, a %value, return or update");
        }
        if (!done()) expected("the end of the line");
    }

    void definition() {
        std::vector<std::string> paths{define()};
        while (accept(",")) paths.push_back(define());
        expect("=");
        const std::size_t begin = at_;
        const std::string what = word("an op");
        static constexpr std::string_view kKinds[] = {"input", "weight", "state", "constant"};
        for (int kind = 0; kind < 4; ++kind) {
            if (what != kKinds[kind]) continue;
            if (paths.size() != 1) expected("one value");
            return leaf(static_cast<ValueKind>(kind), std::move(paths[0]));
        }
        const OpDef* op = find_op_(what);
        if (op == nullptr) {
            at_ = begin;
            expected("an op that there is (see `vitro ops`)");
        }
        node(*op, std::move(paths));
    }

    void leaf(ValueKind kind, std::string path) {
        ValueInfo info{kind, type(), std::move(path)};
        if (accept("@")) info.device = word("a device");
        if (kind == ValueKind::weight) {
            if (accept("from ")) {
                do info.sources.push_back(word("a checkpoint tensor"));
                while (accept(","));
            } else {
                info.sources = {info.path};
            }
            if (accept("as ")) {
                const std::size_t begin = at_;
                const auto form = weight_form_named(word("a form"));
                if (!form) {
                    at_ = begin;
                    expected("stored, fp8_rows or fp8_scales");
                }
                info.form = *form;
            }
        }
        if (kind == ValueKind::constant) {
            expect("{");
            do {
                if (info.type.dtype == DType::i32) {
                    const auto element = value<std::int64_t>("an integer");
                    if (element != static_cast<std::int32_t>(element)) expected("integers of 32 bits");
                    append(info.data, static_cast<std::int32_t>(element));
                } else if (info.type.dtype == DType::f32) {
                    append(info.data, value<float>("a number"));
                } else {
                    expected("a constant of f32 or i32");
                }
            } while (accept(","));
            expect("}");
        }
        graph_.add_value(std::move(info));
    }

    template <class T>
    static void append(std::vector<std::byte>& data, T element) {
        data.resize(data.size() + sizeof(T));
        std::memcpy(data.data() + data.size() - sizeof(T), &element, sizeof(T));
    }

    void node(const OpDef& op, std::vector<std::string> paths) {
        Node node{.op = &op};
        expect("(");
        if (!accept(")")) {
            do node.inputs.push_back(use());
            while (accept(","));
            expect(")");
        }
        node.attributes = attributes(op);
        expect(":");
        const auto id = static_cast<NodeId>(graph_.nodes.size());
        for (std::size_t i = 0; i < paths.size(); ++i) {
            if (i > 0) expect(",");
            ValueInfo info{ValueKind::result, type(), std::move(paths[i])};
            info.producer = id;
            node.outputs.push_back(graph_.add_value(std::move(info)));
        }
        while (accept("@")) {
            std::string name = word("a device or a file");
            if (name.find_first_of("./-+") != std::string::npos || line_.substr(at_, 1) == ":") {
                expect(":");
                node.place = {std::move(name), static_cast<int>(value<std::int64_t>("a line number"))};
            } else {
                node.device = std::move(name);
            }
        }
        if (accept("<=")) {
            do node.realizes.push_back(word("a path"));
            while (accept(","));
        }
        graph_.nodes.push_back(std::move(node));
    }

    Attributes attributes(const OpDef& op) {
        AttributeTexts texts;
        const std::size_t begin = at_;
        if (accept("{")) {
            do {
                std::string field = word("an attribute");
                expect("=");
                std::string text(literal("a value"));
                skip_spaces();
                if (!texts.emplace(std::move(field), std::move(text)).second) expected("each attribute once");
            } while (accept(","));
            expect("}");
        }
        try {
            return op.parse_attributes(texts);
        } catch (const Error& error) {
            fail("{}:{}:{}: {}: {}", file_, line_number_, begin + 1, op.name, error.what());
        }
    }

    std::string_view rest_, file_, line_;
    std::size_t line_number_ = 0;
    std::size_t at_ = 0;
    FindOp find_op_;
    Graph graph_;
};

}  // namespace

Graph parse(std::string_view text, std::string_view file, FindOp find_op) {
    return Parser(text, file, find_op).parse();
}

}  // namespace vitro
