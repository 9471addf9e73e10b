// vitro tokenize and vitro detokenize: text to token ids and back, and where two tokenizers part.
#include "base/json_text.h"
#include "frontend/file.h"
#include "frontend/json.h"
#include "frontend/tokenizer/conformance.h"
#include "frontend/tokenizer/unicode.h"
#include "tools/common.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <map>

#include <nlohmann/json.hpp>

namespace vitro {
namespace {

struct Flags {
    ModelFlags model;
    TextFlags text;
    std::vector<std::int32_t> ids;
    bool json = false;
    bool keep_special = false;
    std::filesystem::path check;
    std::filesystem::path against;
};

constexpr std::size_t kMaxText = std::size_t{64} << 20;

/// "12:5" of the character at `place`, lines and columns from 1.
std::string line_and_column(std::string_view text, std::size_t place) {
    const std::string_view before = text.substr(0, place);
    const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    return fmt::format("{}:{}", std::count(before.begin(), before.end(), '\n') + 1, place - line_start + 1);
}

std::string spelled(const Tokenizer& tokenizer, std::span<const std::int32_t> ids) {
    std::vector<std::string> pieces;
    for (const std::int32_t id : ids)
        pieces.push_back(id < 0 || id >= tokenizer.vocab_size() ? fmt::format("(no token {})", id)
                                                                : fmt::format("{} {}", id, quote(tokenizer.piece(id))));
    return fmt::format("{}", fmt::join(pieces, ", "));
}

/// What the partings are between, and how often each rule was the reason.
class Report {
public:
    Report(const Tokenizer& ours, const Tokenizer& theirs, bool json) : ours_(ours), theirs_(theirs), json_(json) {}

    void add(std::string_view name, std::string_view text, const std::vector<TokenParting>& partings) {
        ++texts_;
        bytes_ += text.size();
        const auto began = std::chrono::steady_clock::now();
        tokens_ += ours_.encode(text).size();
        seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        different_ += !partings.empty();
        for (const TokenParting& parting : partings) {
            ++rules_[parting.rule];
            const std::string_view stretch = text.substr(parting.begin, parting.end - parting.begin);
            if (json_) {
                lines_.push_back({{"text", name},
                                  {"begin", parting.begin},
                                  {"end", parting.end},
                                  {"rule", parting.rule},
                                  {"ours", parting.ours},
                                  {"theirs", parting.theirs}});
                continue;
            }
            print_out("{}:{}: {} {}\n  ours    {}\n  theirs  {}\n", name, line_and_column(text, parting.begin),
                      parting.rule, quote(stretch), spelled(ours_, parting.ours), spelled(theirs_, parting.theirs));
        }
    }

    /// Whether nothing differs.
    bool finish() const {
        if (json_) {
            print_out("{}\n", json_text(nlohmann::ordered_json{{"texts", texts_},
                                                               {"bytes", bytes_},
                                                               {"tokens", tokens_},
                                                               {"seconds", seconds_},
                                                               {"different", different_},
                                                               {"rules", rules_},
                                                               {"partings", lines_}}));
        } else {
            for (const auto& [rule, count] : rules_) print_out("{:>6}  {}\n", count, rule);
            print_out("{} of {} texts differ\n", different_, texts_);
        }
        return different_ == 0;
    }

private:
    const Tokenizer& ours_;
    const Tokenizer& theirs_;
    bool json_;
    std::size_t texts_ = 0, different_ = 0, bytes_ = 0, tokens_ = 0;
    double seconds_ = 0;  // that ours took for all texts
    std::map<std::string, std::size_t> rules_;
    std::vector<nlohmann::ordered_json> lines_;
};

std::vector<std::int32_t> read_ids(const JsonValue& list) {
    std::vector<std::int32_t> ids;
    for (const JsonValue& id : list.array()) ids.push_back(static_cast<std::int32_t>(id.integer(0, INT32_MAX)));
    return ids;
}

/// A table: lines of {"text": …, "ids": […]}.
bool check_table(const Flags& flags, const Tokenizer& tokenizer, std::string_view table) {
    Report report(tokenizer, tokenizer, flags.json);
    const std::string file = flags.check.filename().string();
    std::size_t number = 0;
    while (!table.empty()) {
        const std::string_view line = table.substr(0, table.find('\n'));
        table.remove_prefix(std::min(table.size(), line.size() + 1));
        ++number;
        if (line.empty()) continue;
        const std::string name = fmt::format("{} line {}", file, number);
        if (line[0] != '{')
            fail(
                "{}: expected a JSON object with \"text\" and \"ids\", found other text: what another tokenizer makes "
                "of "
                "a text is told by --against",
                name);
        const JsonValue row = JsonValue::parse(line, name);
        const std::string_view text = row.at("text").string();
        report.add(name, text, compare_with_ids(tokenizer, read_ids(row.at("ids")), text));
    }
    return report.finish();
}

/// A text file, against another tokenizer or the ids that one made of it.
bool check_text(const Flags& flags, const Tokenizer& tokenizer, std::string_view text) {
    const std::string name = flags.check.filename().string();
    if (std::filesystem::is_directory(flags.against)) {
        const Tokenizer other = Tokenizer::load(flags.against);
        Report report(tokenizer, other, flags.json);
        report.add(name, text, compare_tokenizers(tokenizer, other, text));
        return report.finish();
    }
    Report report(tokenizer, tokenizer, flags.json);
    report.add(name, text, compare_with_ids(tokenizer, read_ids(JsonValue::read(flags.against)), text));
    return report.finish();
}

/// The exit code: 1 when something differs.
int check(const Flags& flags) {
    const Tokenizer tokenizer = open_tokenizer(flags.model);
    const std::string text = replace_invalid_utf8(read_file(flags.check, kMaxText));  // as the tokenizers do
    const bool same = flags.against.empty() ? check_table(flags, tokenizer, text) : check_text(flags, tokenizer, text);
    return same ? 0 : 1;
}

void tokenize(const Flags& flags) {
    const std::string text = read_text(flags.text);
    const Tokenizer tokenizer = open_tokenizer(flags.model);
    const auto pieces = tokenizer.encode_pieces(text);
    if (!flags.json) {
        for (const Tokenizer::Piece& piece : pieces) print_out("{:>6}  {}\n", piece.id, tokenizer.piece(piece.id));
        return;
    }
    nlohmann::ordered_json json{
        {"ids", nlohmann::json::array()}, {"pieces", nlohmann::json::array()}, {"offsets", nlohmann::json::array()}};
    for (const Tokenizer::Piece& piece : pieces) {
        json["ids"].push_back(piece.id);
        json["pieces"].push_back(tokenizer.piece(piece.id));
        json["offsets"].push_back({piece.begin, piece.end});
    }
    print_out("{}\n", json_text(json));
}

void detokenize(const Flags& flags) {
    const std::string text = open_tokenizer(flags.model).decode(flags.ids, !flags.keep_special);
    if (flags.json)
        print_out("{}\n", json_text(nlohmann::ordered_json{{"text", text}}));
    else
        print_out("{}\n", text);
}

}  // namespace

void add_tokenize(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command =
        line.add("tokenize", "print the token ids of a text\nExample: vitro tokenize \"Hello world\"", [flags] {
            if (!flags->check.empty()) return check(*flags);
            tokenize(*flags);
            return 0;
        });
    add_model_flags(command, flags->model, false);
    const auto [text, file] = add_text_flags(command, flags->text, "the text");
    const Option check_file = command.option(
        "--check", flags->check,
        "print where two tokenizers differ, and by which rule: FILE is a text (with --against), or has one JSON object "
        "{\"text\": ..., \"ids\": [...]} per line",
        "FILE");
    check_file.excludes(text).excludes(file);
    command
        .option("--against", flags->against,
                "directory of the other tokenizer, or a JSON list of the ids that it gives for the text", "FILE")
        .needs(check_file);
    command.flag("--json", flags->json, "print JSON: ids, pieces, byte offsets in the text; or what --check found");

    const Command inverse =
        line.add("detokenize", "print the text of token ids\nExample: vitro detokenize 1,401,671", [flags] {
            detokenize(*flags);
            return 0;
        });
    add_model_flags(inverse, flags->model, false);
    inverse.list("ids", flags->ids, "the ids, separated by spaces or commas", "IDS").required();
    inverse.flag("--special", flags->keep_special, "keep special tokens such as <s> in the text");
    inverse.flag("--json", flags->json, "print JSON: text");
}

}  // namespace vitro
