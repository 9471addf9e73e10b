#include "base/nearest.h"
#include "graph/text.h"
#include "graph/verify.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

namespace vitro {
namespace {

/// A recursive-descent reader of one graph file, line by line.
class Parser {
public:
    Parser(std::string_view text, std::string_view file, FindOp find_op, AllOps all_ops)
        : rest_(text), file_(file), find_op_(find_op), all_ops_(all_ops) {}

    Graph parse() {
        while (next_line()) statement();
        if (repeat_) fail("{}: expected 'end' of the repeat of {}, found none", file_, repeat_->layers);
        if (graph_.name.empty()) fail("{}: expected a line 'graph \"name\"', found none", file_);
        try {
            verify(graph_);
        } catch (const Error& error) {
            fail("{}: {}", file_, error.what());
        }
        return std::move(graph_);
    }

private:
    /// The block that is read again for each layer.
    struct Repeat {
        std::string layers;  // "model.layers"
        std::int64_t index = 0, first = 0, last = 0;
        std::string_view begin;  // what follows its first line
        std::size_t line_number = 0;
        std::map<std::string, ValueId, std::less<>> before_first;  // what %previous.… is in the first layer

        std::string layer(std::int64_t i) const { return fmt::format("{}.{}", layers, i); }
    };

    bool next_line() {
        while (!rest_.empty()) {
            line_number_ += lines_;
            line_ = rest_.substr(0, rest_.find('\n'));
            rest_.remove_prefix(std::min(rest_.size(), line_.size() + 1));
            lines_ = 1;
            at_ = 0;
            skip_spaces();
            if (!done()) return true;
        }
        return false;
    }

    /// Takes the next line in, too: the statement goes on there.
    void continue_line() {
        if (rest_.empty()) return;
        at_ = line_.size() + 1;
        const std::size_t length = std::min(rest_.find('\n'), rest_.size());
        line_ = {line_.data(), line_.size() + 1 + length};
        rest_.remove_prefix(std::min(rest_.size(), length + 1));
        ++lines_;
        skip_spaces();
    }

    /// Goes on to the next line if it begins like the tail of a statement.
    void continue_to_tail() {
        const std::size_t begin = rest_.find_first_not_of(" \t");
        if (done() && begin != std::string_view::npos && (rest_[begin] == '@' || rest_[begin] == '<')) continue_line();
    }

    bool done() const { return at_ >= line_.size() || line_[at_] == '#'; }
    void skip_spaces() {
        while (at_ < line_.size() &&
               (line_[at_] == ' ' || line_[at_] == '\t' || line_[at_] == '\r' || line_[at_] == '\n'))
            ++at_;
    }

    [[noreturn]] void expected(std::string_view what) const {
        const std::string_view found =
            done() ? "the end of the line" : line_.substr(at_, std::min<std::size_t>(30, line_.find('\n', at_) - at_));
        fail("{}: expected {}, found {}", place(at_), what, found);
    }

    /// "file:line:column" of an offset in this statement.
    std::string place(std::size_t at) const {
        const std::string_view before = line_.substr(0, at);
        const std::size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
        return fmt::format("{}:{}:{}", file_, line_number_ + std::count(before.begin(), before.end(), '\n'),
                           before.size() - line_begin + 1);
    }

    bool accept(std::string_view token) {
        if (line_.substr(at_, token.size()) != token) return false;
        at_ += token.size();
        skip_spaces();
        if (token == "," && done()) continue_line();
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
        out.shape = value<Shape>(fmt::format("a shape of at most {} sizes, such as [T, 64]", kMaxRank));
        return out;
    }

    /// In a repeat, ".mlp" is "model.layers.3.mlp" and "." the layer itself.
    std::string absolute(std::string path) const {
        if (path.empty() || path[0] != '.') return path;
        if (!repeat_) expected("a whole path: one that begins with a dot is short for one within a repeat");
        return repeat_->layer(repeat_->index) + (path == "." ? "" : path);
    }

    ValueId use() {
        const std::size_t begin = at_;
        expect("%");
        const std::string name = word("a value");
        ValueId id = -1;
        if (repeat_ && name.starts_with(kPrevious)) {
            const std::string rest = name.substr(kPrevious.size());
            if (repeat_->index > repeat_->first) {
                id = graph_.find(repeat_->layer(repeat_->index - 1) + "." + rest);
            } else if (const auto at = repeat_->before_first.find(rest); at != repeat_->before_first.end()) {
                id = at->second;
            }
        } else {
            id = graph_.find(absolute(name));
        }
        if (id >= 0) return id;
        at_ = begin;
        expected("a value that stands above");
    }

    std::string define() {
        const std::size_t begin = at_;
        expect("%");
        std::string path = absolute(word("a value's path"));
        if (graph_.find(path) < 0) return path;
        at_ = begin;
        expected("a new value");
    }

    void statement() {
        if (++statements_ > kMostStatements) fail("{}: expected at most {} statements", place(at_), kMostStatements);
        if (line_[at_] == '%') {
            definition();
        } else if (accept("graph ")) {
            graph_.name = value<std::string>("the graph's name in quotes");
        } else if (accept("symbol ")) {
            const char name = symbol();
            expect("<=");
            if (!graph_.bounds.emplace(name, value<std::int64_t>("a bound")).second) expected("each symbol once");
        } else if (accept("module ")) {
            Module module{absolute(value<std::string>("a path in quotes")), value<std::string>("a type in quotes"),
                          value<std::string>("a detail in quotes")};
            graph_.modules.push_back(std::move(module));
        } else if (accept("repeat ")) {
            begin_repeat();
        } else if (repeat_ && accept("first ")) {
            const std::size_t begin = at_;
            expect("%");
            const std::string name = word("a value");
            if (!name.starts_with(kPrevious)) {
                at_ = begin;
                expected("%previous.…, a value of the layer before");
            }
            expect("=");
            const ValueId id = use();
            if (repeat_->index == repeat_->first) repeat_->before_first[name.substr(kPrevious.size())] = id;
        } else if (repeat_ && accept("end")) {
            if (!done()) expected("the end of the line");
            return end_repeat();
        } else if (accept("return ")) {
            graph_.results.push_back(use());
        } else if (accept("update ")) {
            const ValueId state = use();
            expect("=");
            graph_.updates.push_back({state, use()});
        } else {
            expected("graph, symbol, module, a %value, repeat, return or update");
        }
        if (!done()) expected("the end of the line");
    }

    /// repeat model.layers.0-31: 32 ×
    void begin_repeat() {
        if (repeat_) expected("'end' before another repeat");
        const std::size_t begin = at_;
        const std::string name = word("layers such as model.layers.0-31");
        const std::size_t dot = name.rfind('.'), dash = name.rfind('-');
        Repeat repeat;
        const auto number = [&](std::size_t from, std::size_t to, std::int64_t& out) {
            const char* end = name.data() + to;
            const auto [stopped, error] = std::from_chars(name.data() + from, end, out);
            return error == std::errc{} && stopped == end && out >= 0;
        };
        if (dot == std::string::npos || dash == std::string::npos || dash < dot ||
            !number(dot + 1, dash, repeat.first) || !number(dash + 1, name.size(), repeat.last) ||
            repeat.last < repeat.first || repeat.last - repeat.first >= kMostStatements) {
            at_ = begin;
            expected("layers such as model.layers.0-31");
        }
        repeat.layers = name.substr(0, dot);
        repeat.index = repeat.first;
        if (accept(":")) {
            const std::int64_t count = repeat.last - repeat.first + 1;
            if (value<std::int64_t>("how many layers") != count) expected(fmt::format("{} ×, as {} says", count, name));
            expect("×");
        }
        repeat.begin = rest_;
        repeat.line_number = line_number_;
        repeat_ = std::move(repeat);
    }

    void end_repeat() {
        if (repeat_->index == repeat_->last) {
            repeat_.reset();
            return;
        }
        ++repeat_->index;
        rest_ = repeat_->begin;
        line_number_ = repeat_->line_number;
        lines_ = 1;
    }

    void definition() {
        std::vector<std::string> paths;
        std::vector<TensorType> types;  // where they stand before the '='
        do {
            const std::size_t begin = at_;
            paths.push_back(define());
            if (std::count(paths.begin(), paths.end(), paths.back()) > 1) {
                at_ = begin;
                expected("a new value");
            }
            if (accept(":")) types.push_back(type());
        } while (accept(","));
        if (!types.empty() && types.size() != paths.size()) expected("a type for each value");
        expect("=");
        const std::size_t begin = at_;
        const std::string what = word("an op");
        static constexpr std::string_view kKinds[] = {"input", "weight", "state", "constant"};
        for (int kind = 0; kind < 4; ++kind) {
            if (what != kKinds[kind]) continue;
            if (paths.size() != 1) expected("one value");
            return leaf(static_cast<ValueKind>(kind), std::move(paths[0]), types.empty() ? type() : types[0]);
        }
        const OpDef* op = find_op_(what);
        if (op == nullptr) {
            std::vector<std::string_view> known;
            for (const OpDef* each : all_ops_ ? all_ops_() : std::span<const OpDef* const>())
                known.push_back(each->name);
            const std::string hint = did_you_mean(what, known);
            fail("{}: no op is called '{}'{}", place(begin), what,
                 hint.empty() ? ": `vitro ops` lists those there are" : hint);
        }
        node(*op, std::move(paths), std::move(types));
    }

    void leaf(ValueKind kind, std::string path, TensorType type) {
        ValueInfo info{kind, std::move(type), std::move(path)};
        if (accept("@")) info.device = word("a device");
        if (kind == ValueKind::weight) {
            info.source = accept("from ") ? absolute(word("a checkpoint tensor")) : info.path;
            info.prepared = accept("prepared");
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

    void node(const OpDef& op, std::vector<std::string> paths, std::vector<TensorType> types) {
        Node node{.op = &op};
        node.inputs = inputs(op);
        node.attributes = attributes(op);
        if (types.empty()) {
            expect(":");
            do types.push_back(type());
            while (types.size() < paths.size() && (expect(","), true));
        }
        continue_to_tail();
        const auto id = static_cast<NodeId>(graph_.nodes.size());
        for (std::size_t i = 0; i < paths.size(); ++i) {
            ValueInfo info{ValueKind::result, std::move(types[i]), std::move(paths[i])};
            info.producer = id;
            node.outputs.push_back(graph_.add_value(std::move(info)));
        }
        while (accept("@")) {
            std::string name = word("a device or a file");
            if (name.find_first_of("./") != std::string::npos || line_.substr(at_, 1) == ":") {
                expect(":");
                node.source = {std::move(name), static_cast<int>(value<std::int64_t>("a line number"))};
            } else {
                node.device = std::move(name);
            }
            continue_to_tail();
        }
        continue_to_tail();
        if (accept("<=")) {
            do node.realizes.push_back(absolute(word("a path")));
            while (accept(","));
        }
        graph_.nodes.push_back(std::move(node));
    }

    /// (%x, %weight, bias = %b): values in the order of the op's inputs, then others by name.
    std::vector<ValueId> inputs(const OpDef& op) {
        std::vector<ValueId> given;
        expect("(");
        if (accept(")")) return with_absent(op, std::span<const ValueId>(given), kAbsent);
        bool named = false;
        do {
            if (!named && line_.substr(at_, 1) == "%") {
                given.push_back(use());
                continue;
            }
            if (!std::exchange(named, true)) given = with_absent(op, std::span<const ValueId>(given), kAbsent);
            const std::size_t begin = at_;
            if (done() || (line_[at_] != '%' && !in_word(line_[at_]))) expected("'%'");
            const std::string name = line_[at_] == '%' ? "" : word("the name of an input");
            const int index = input_index(op, name);
            const bool is_new = !op.variadic && index >= 0 && given[static_cast<std::size_t>(index)] == kAbsent;
            if (!is_new) {
                at_ = begin;
                std::string names;
                for (const std::string_view each : input_names(op)) names += fmt::format(" {}", each);
                expected(fmt::format("an input of {} that has no value yet, by name; of{}", op.name, names));
            }
            expect("=");
            given[static_cast<std::size_t>(index)] = use();
        } while (accept(","));
        expect(")");
        return with_absent(op, std::span<const ValueId>(given), kAbsent);
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
            fail("{}: {}: {}", place(begin), op.name, error.what());
        }
    }

    static constexpr std::string_view kPrevious = "previous.";
    static constexpr std::int64_t kMostStatements = 100'000;

    std::string_view rest_, file_, line_;  // line_: the statement's line, or lines
    std::size_t line_number_ = 1;          // of its first line
    std::size_t lines_ = 0;                // how many it has
    std::size_t at_ = 0;
    std::int64_t statements_ = 0;
    std::optional<Repeat> repeat_;
    FindOp find_op_;
    AllOps all_ops_;
    Graph graph_;
};

}  // namespace

Graph parse(std::string_view text, std::string_view file, FindOp find_op, AllOps all_ops) {
    return Parser(text, file, find_op, all_ops).parse();
}

}  // namespace vitro
