// vitro tokenize and vitro detokenize: text to token ids and back.
#include "tools/common.h"

#include <nlohmann/json.hpp>

namespace vitro {
namespace {

struct Flags {
    ModelFlags model;
    TextFlags text;
    std::vector<std::int32_t> ids;
    bool json = false;
    bool keep_special = false;
};

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
    print_out("{}\n", json.dump());
}

void detokenize(const Flags& flags) {
    const std::string text = open_tokenizer(flags.model).decode(flags.ids, !flags.keep_special);
    if (flags.json)
        print_out("{}\n", nlohmann::ordered_json{{"text", text}}.dump());
    else
        print_out("{}\n", text);
}

}  // namespace

void add_tokenize(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command =
        line.add("tokenize", "print the token ids of a text\nExample: vitro tokenize \"Hello world\"", [flags] {
            tokenize(*flags);
            return 0;
        });
    add_model_flags(command, flags->model, false);
    add_text_flags(command, flags->text, "the text");
    command.flag("--json", flags->json, "print JSON: ids, pieces, byte offsets in the text");

    const Command inverse =
        line.add("detokenize", "print the text of token ids\nExample: vitro detokenize 450,7483", [flags] {
            detokenize(*flags);
            return 0;
        });
    add_model_flags(inverse, flags->model, false);
    inverse.list("ids", flags->ids, "the ids, apart by spaces or commas", "IDS").required();
    inverse.flag("--special", flags->keep_special, "print special tokens too");
    inverse.flag("--json", flags->json, "print JSON: text");
}

}  // namespace vitro
