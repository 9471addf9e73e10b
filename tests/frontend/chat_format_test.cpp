#include "frontend/chat_format.h"

#include "base/error.h"
#include "frontend/tokenizer/tokenizer.h"
#include "tests/frontend/tokenizer_files.h"
#include "tests/paths.h"

#include <doctest/doctest.h>

#include <array>
#include <nlohmann/json.hpp>

using namespace vitro;
using nlohmann::json;

namespace {

const std::map<std::string, ChatFamily> kFamilies{{"phi3", ChatFamily::phi3},
                                                  {"phi3_initial", ChatFamily::phi3_initial},
                                                  {"llama2", ChatFamily::llama2},
                                                  {"mistral", ChatFamily::mistral},
                                                  {"llama3", ChatFamily::llama3}};

json golden() { return json::parse(test::read_bytes(test::source_path("tests/golden/chat.json"))); }

std::string error_of_load(const std::filesystem::path& directory) {
    try {
        ChatFormat::load(directory, "<s>", "</s>");
    } catch (const Error& error) {
        return error.what();
    }
    return "(no error)";
}

}  // namespace

TEST_CASE("conversations become the text that transformers makes of them") {
    const json all = golden();
    for (const json& family : all.at("families")) {
        const auto name = family.at("family").get<std::string>();
        CAPTURE(name);
        REQUIRE(chat_family_of(family.at("template").get<std::string>(), "template") == kFamilies.at(name));
        const ChatFormat format(kFamilies.at(name), family.at("bos").get<std::string>(),
                                family.at("eos").get<std::string>());
        for (const json& row : family.at("cases")) {
            CAPTURE(row.dump());
            std::vector<Message> messages;
            for (const json& message : row.at("messages"))
                messages.push_back({message.at("role").get<std::string>(), message.at("content").get<std::string>()});
            const bool open = row.at("add_generation_prompt").get<bool>();
            if (row.at("text").is_null())
                CHECK_THROWS_AS(format.format(messages, open), Error);
            else
                CHECK(format.format(messages, open) == row.at("text").get<std::string>());
        }
    }
}

TEST_CASE("a role that the family lacks, or out of turn, is refused by message") {
    const auto error_of = [](ChatFamily family, std::vector<Message> messages) -> std::string {
        try {
            ChatFormat(family, "<s>", "</s>").format(messages, true);
        } catch (const Error& error) {
            return error.what();
        }
        return "(no error)";
    };
    CHECK(error_of(ChatFamily::phi3, {{"user", "a"}, {"tool", "b"}}) ==
          "message 1: expected role system, user or assistant, found \"tool\"");
    CHECK(error_of(ChatFamily::phi3_initial, {{"system", "a"}}) ==
          "message 0: expected role user or assistant (this model's chat template has no other), found \"system\"");
    CHECK(error_of(ChatFamily::mistral, {{"system", "a"}}) == "message 0: expected role user, found \"system\"");
    CHECK(error_of(ChatFamily::llama2, {{"user", "a"}, {"user", "b"}}) ==
          "message 1: expected role assistant, found \"user\"");
}

TEST_CASE("the template is read from chat_template.jinja or tokenizer_config.json, and an unknown one refused") {
    const std::string phi3 = golden().at("families")[0].at("template").get<std::string>();
    const std::string mistral = golden().at("families")[3].at("template").get<std::string>();
    const test::TempDir directory;
    CHECK(error_of_load(directory.path()).find("tokenizer_config.json") != std::string::npos);

    test::write_bytes(directory / "tokenizer_config.json", json{{"chat_template", mistral}}.dump());
    CHECK(ChatFormat::load(directory.path(), "<s>", "</s>").family() == ChatFamily::mistral);
    test::write_bytes(directory / "chat_template.jinja", phi3);
    CHECK(ChatFormat::load(directory.path(), "<s>", "</s>").family() == ChatFamily::phi3);
    std::filesystem::remove(directory / "chat_template.jinja");

    const json named{
        {"chat_template", {{{"name", "default"}, {"template", phi3}}, {{"name", "rag"}, {"template", "x"}}}}};
    test::write_bytes(directory / "tokenizer_config.json", named.dump());
    CHECK(ChatFormat::load(directory.path(), "<s>", "</s>").family() == ChatFamily::phi3);

    test::write_bytes(directory / "tokenizer_config.json", "{}");
    CHECK(error_of_load(directory.path()) ==
          "tokenizer_config.json: \"chat_template\": expected a chat template, found none: this model takes raw "
          "prompts only");
    for (const std::string_view unknown : {"{{ messages }}", "", "<|im_start|>", "[INST] [/INST] eos_token tools"}) {
        test::write_bytes(directory / "tokenizer_config.json", json{{"chat_template", unknown}}.dump());
        CHECK(
            error_of_load(directory.path())
                .starts_with("tokenizer_config.json: \"chat_template\": expected the chat template of Phi-3, Llama 2, "
                             "Mistral or Llama 3, found "));
    }
    test::write_bytes(directory / "tokenizer_config.json", R"({"chat_template": 3})");
    CHECK(error_of_load(directory.path()).starts_with("tokenizer_config.json: \"chat_template\": expected "));
}

TEST_CASE("Phi-3's own directory: the template's text encodes to role tokens, bos once") {
    const auto directory = test::test_data("phi-3-mini-4k-instruct");
    if (!directory) {
        MESSAGE("skipped: VITRO_TEST_DATA is unset");
        return;
    }
    const Tokenizer tokenizer = Tokenizer::load(*directory, 32064);
    const ChatFormat format =
        ChatFormat::load(*directory, tokenizer.piece(*tokenizer.bos_id()), tokenizer.piece(*tokenizer.eos_id()));
    CHECK(format.family() == ChatFamily::phi3_initial);
    const std::array messages{Message{"user", "Hi"}};
    CHECK(tokenizer.encode(format.format(messages, true), false) ==
          std::vector<std::int32_t>{1, 32010, 18567, 32007, 32001});
}
