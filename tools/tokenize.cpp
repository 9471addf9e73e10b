// vitro tokenize and vitro detokenize: text to token ids and back.
#include "tools/common.h"

#include <nlohmann/json.hpp>

namespace vitro {
namespace {

struct Flags {
    ModelFlags model;
    std::string text;
    std::vector<std::int32_t> ids;
    bool json = false;
    bool keep_special = false;
};

void tokenize(const Flags& flags) {
    const Tokenizer tokenizer = open_tokenizer(flags.model);
    const auto pieces = tokenizer.encode_pieces(flags.text);
    if (!flags.json) {
        for (const Tokenizer::Piece& piece : pieces) fmt::print("{:>6}  {}\n", piece.id, tokenizer.piece(piece.id));
        return;
    }
    nlohmann::ordered_json json{
        {"ids", nlohmann::json::array()}, {"pieces", nlohmann::json::array()}, {"offsets", nlohmann::json::array()}};
    for (const Tokenizer::Piece& piece : pieces) {
        json["ids"].push_back(piece.id);
        json["pieces"].push_back(tokenizer.piece(piece.id));
        json["offsets"].push_back({piece.begin, piece.end});
    }
    fmt::print("{}\n", json.dump());
}

void detokenize(const Flags& flags) {
    const std::string text = open_tokenizer(flags.model).decode(flags.ids, !flags.keep_special);
    if (flags.json)
        fmt::print("{}\n", nlohmann::ordered_json{{"text", text}}.dump());
    else
        fmt::print("{}\n", text);
}

}  // namespace

void add_tokenize(CLI::App& app, int&) {
    auto flags = std::make_shared<Flags>();
    CLI::App* command =
        app.add_subcommand("tokenize", "print the token ids of a text\nExample: vitro tokenize \"Hello world\"");
    add_model_flags(*command, flags->model, false);
    command->add_option("text,-p,--prompt", flags->text, "the text")->required()->type_name("TEXT");
    command->add_flag("--json", flags->json, "print JSON: ids, pieces, byte offsets in the text");
    command->callback([flags] { tokenize(*flags); });

    CLI::App* inverse =
        app.add_subcommand("detokenize", "print the text of token ids\nExample: vitro detokenize 450,7483");
    add_model_flags(*inverse, flags->model, false);
    inverse->add_option("ids", flags->ids, "the ids, apart by spaces or commas")
        ->required()
        ->delimiter(',')
        ->type_name("IDS");
    inverse->add_flag("--special", flags->keep_special, "print special tokens too");
    inverse->add_flag("--json", flags->json, "print JSON: text");
    inverse->callback([flags] { detokenize(*flags); });
}

}  // namespace vitro
