#include "tests/fuzz/mutate_graph.h"

#include "graph/text.h"
#include "ops/op_list.h"

#include <array>
#include <regex>
#include <span>
#include <vector>

namespace vitro::fuzz {
namespace {

using Lines = std::vector<std::string>;

constexpr std::array kNumbers = {"0",
                                 "1",
                                 "2",
                                 "3",
                                 "-1",
                                 "-2",
                                 "4",
                                 "5",
                                 "8",
                                 "16",
                                 "255",
                                 "2147483647",
                                 "2147483648",
                                 "-2147483648",
                                 "4294967296",
                                 "1152921504606846976",
                                 "9223372036854775807",
                                 "0.5",
                                 "-0",
                                 "1e30",
                                 "nan",
                                 "inf",
                                 "T",
                                 "S"};
constexpr std::array kTypes = {"f32", "f16", "bf16", "i32", "f8e4m3"};

Lines lines_of(const std::string& text) {
    Lines lines;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        lines.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return lines;
}

std::string text_of(const Lines& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
}

class Mutator {
public:
    Mutator(const std::string& text, Random& random) : random_(random), lines_(lines_of(text)) {}

    std::string run() {
        for (std::int64_t changes = pick(4) == 0 ? 3 : 1; changes > 0 && !lines_.empty(); --changes) change();
        if (pick(5) > 0) repair_types();
        return text_of(lines_);
    }

private:
    std::size_t pick(std::size_t below) {
        return static_cast<std::size_t>(random_.integer(0, static_cast<std::int64_t>(below) - 1));
    }
    const auto& any(const auto& list) { return list[pick(std::size(list))]; }
    std::string& line() { return lines_[pick(lines_.size())]; }
    std::size_t place() { return pick(lines_.size()); }
    Lines::iterator at(std::size_t i) { return lines_.begin() + static_cast<std::ptrdiff_t>(i); }

    /// All places in the text where `pattern` matches; one of them, if there is one, becomes what `other` says.
    template <class Other>
    void change_match(std::string& text, const std::regex& pattern, Other&& other) {
        const std::vector<std::smatch> found(std::sregex_iterator(text.begin(), text.end(), pattern), {});
        if (found.empty()) return;
        const std::smatch& match = any(found);
        const auto begin = static_cast<std::size_t>(match.position(0)),
                   size = static_cast<std::size_t>(match.length(0));
        const std::string by = other(match.str(0));
        text.replace(begin, size, by);
    }

    /// The name of a value that some line defines: "%x".
    std::string any_value() {
        static const std::regex kName("%[A-Za-z0-9_./+-]+");
        for (int i = 0; i < 20; ++i)
            if (std::smatch match; std::regex_search(line(), match, kName)) return match.str(0);
        return "%x";
    }
    /// One that a line of this kind defines ("state"), else any.
    std::string value_of_kind(std::string_view kind) {
        std::vector<std::string> found;
        for (const std::string& each : lines_)
            if (const std::size_t end = each.find(" = " + std::string(kind)); each.starts_with('%') && end != each.npos)
                found.push_back(each.substr(0, end));
        return found.empty() ? any_value() : any(found);
    }
    std::string new_name() { return "%n" + std::to_string(random_.integer(0, 999)); }

    void change() {
        static const std::regex kUse("%[A-Za-z0-9_./+-]+"), kNumber("-?[0-9]+(\\.[0-9]+)?|\\b[TSCR]\\b"),
            kType("\\b(f32|f16|bf16|i32|f8e4m3)\\b"), kOp("= [a-z_]+\\("), kBraces("\\{[^}]*\\}");
        switch (pick(14)) {
            case 0:
                lines_.insert(at(place()), line());
                return;
            case 1: {  // doubled under a new name
                std::string copy = line();
                if (const std::size_t end = copy.find(' '); copy.starts_with('%') && end != copy.npos)
                    copy = new_name() + copy.substr(end);
                lines_.insert(at(pick(lines_.size() + 1)), copy);
                return;
            }
            case 2:
                lines_.erase(at(place()));
                return;
            case 3:
                std::swap(line(), line());
                return;
            case 4:
            case 5:
                return change_match(line(), kUse, [&](const std::string&) { return any_value(); });
            case 6:
            case 7:
                return change_match(line(), kNumber, [&](const std::string& old) {
                    if (pick(2) == 0 || old.size() > 9 || old.find_first_not_of("0123456789") != old.npos)
                        return std::string(any(kNumbers));
                    return std::to_string(std::stol(old) + random_.integer(-1, 1));
                });
            case 8:
                return change_match(line(), kType, [&](const std::string&) { return std::string(any(kTypes)); });
            case 9:
                return change_match(line(), kOp,
                                    [&](const std::string&) { return fmt::format("= {}(", any(all_ops())->name); });
            case 10: {
                std::smatch match;
                const std::string from = line();
                if (!std::regex_search(from, match, kBraces)) return;
                return change_match(line(), kBraces, [&](const std::string&) { return match.str(0); });
            }
            case 11: {  // an attribute of the op that it may not have had
                std::string& text = line();
                const std::size_t end = text.find(") :");
                if (end == text.npos) return;
                static constexpr std::array kFields = {"axis",   "begin",      "end",  "eps",  "transpose_b",
                                                       "window", "scale",      "norm", "bias", "causal",
                                                       "theta",  "rotary_dim", "sizes"};
                text.insert(end + 1, fmt::format(" {{{} = {}}}", any(kFields), any(kNumbers)));
                return;
            }
            default:
                return add_difficulty();
        }
    }

    /// A line that makes memory or indices difficult.
    void add_difficulty() {
        const std::string state = value_of_kind("state"), name = new_name();
        std::string added;
        switch (pick(9)) {
            case 0:
                added = fmt::format("{} = reshape({}) {{shape = [{}]}} : f32 [1]", name, state, any(kNumbers));
                break;
            case 1:
                added = fmt::format("{} = reshape({}) {{shape = [{}, 1, 1]}} : f32 [1]", name, state, any(kNumbers));
                break;
            case 2:
                added = "return " + any_value();
                break;
            case 3:
                added = "return " + state;
                break;
            case 4:
                added = fmt::format("update {} = {}", state, any_value());
                break;
            case 5:
                added = fmt::format("update {} = {}", state, value_of_kind("kv_append"));
                break;
            case 6:
                added =
                    fmt::format("{} = constant i32 [3] {{{}, {}, {}}}", name, any(kNumbers), any(kNumbers), pick(5));
                break;
            case 7:
                added = fmt::format("{} = argmax({}) : i32 [1]", name, any_value());
                break;
            default:
                added = fmt::format("{} = {} {} [{}]", name, pick(2) == 0 ? "state" : "weight", any(kTypes), pick(9));
        }
        // Where it may read what it names: mostly near the end, before what is returned.
        const std::size_t end = lines_.size();
        lines_.insert(at(pick(3) == 0 ? pick(end + 1) : end - pick(std::min<std::size_t>(end, 3) + 1)), added);
    }

    /// Writes in the types that verify says it expects, one after the other.
    void repair_types() {
        static const std::regex kExpected(
            ": [a-z_]+ at ([^ :]+).*: expected output ([a-z0-9]+ \\[[^\\]]*\\]), found "
            "([a-z0-9]+ \\[[^\\]]*\\])");
        for (int tries = 0; tries < 24; ++tries) {
            std::string error;
            try {
                parse(text_of(lines_), "g", find_op);
                return;
            } catch (const Error& e) {
                error = e.what();
            }
            std::smatch match;
            if (!std::regex_search(error, match, kExpected)) return;
            const std::string name = "%" + match.str(1);
            bool changed = false;
            for (std::string& text : lines_) {
                if (!text.starts_with(name + " ") && !text.starts_with(name + ",")) continue;
                const std::size_t found = text.rfind(match.str(3));
                if (found == text.npos) continue;
                text.replace(found, match.str(3).size(), match.str(2));
                changed = true;
            }
            if (!changed) return;
        }
    }

    Random& random_;
    Lines lines_;
};

}  // namespace

std::string mutate_graph(const std::string& text, Random& random) { return Mutator(text, random).run(); }

}  // namespace vitro::fuzz
