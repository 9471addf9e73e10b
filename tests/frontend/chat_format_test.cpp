#include "frontend/chat_format.h"

#include "base/error.h"
#include "frontend/chat_templates.h"
#include "frontend/tokenizer/tokenizer.h"
#include "tests/frontend/tokenizer_files.h"
#include "tests/paths.h"

#include <doctest/doctest.h>

#include <array>
#include <nlohmann/json.hpp>

using namespace vitro;
using nlohmann::json;

namespace {

const SpecialTokens kTokens{{"bos_token", "<s>"}, {"eos_token", "</s>"}};

json golden() { return json::parse(test::read_bytes(test::source_path("tests/golden/chat.json"))); }

std::string error_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& error) {
        return error.what();
    }
    return "(no error)";
}

std::string error_of_load(const std::filesystem::path& directory, std::string_view choice = {}) {
    return error_of([&] { ChatFormat::load(directory, kTokens, choice); });
}

std::string said(const ChatFormat& format, std::vector<Message> messages) { return format.format(messages, true); }

/// What the golden has for a family, by a template for it.
void check_family(const json& family, std::string_view source) {
    const ChatFormat format(
        source, "template",
        {{"bos_token", family.at("bos").get<std::string>()}, {"eos_token", family.at("eos").get<std::string>()}});
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

}  // namespace

TEST_CASE("conversations become the text that transformers makes of them") {
    const json all = golden();
    CHECK(all.at("families").size() == 5);
    for (const json& family : all.at("families")) {
        CAPTURE(family.at("family").get<std::string>());
        check_family(family, family.at("template").get<std::string>());
    }
}

TEST_CASE("the built-in templates give what those of their families give") {
    const json all = golden();
    std::size_t compared = 0;
    for (const json& family : all.at("families")) {
        for (const ChatTemplate& known : chat_templates()) {
            if (known.name != family.at("family").get<std::string>()) continue;
            CAPTURE(known.name);
            check_family(family, known.source);
            ++compared;
        }
    }
    CHECK(compared == 4);  // phi3, llama2, mistral, llama3
    const std::vector<Message> talk{{"system", "S"}, {"user", " A"}, {"assistant", "B"}, {"user", "C"}};
    const auto with = [&](std::string_view name) {
        return said(ChatFormat::load("no/directory", kTokens, name), talk);
    };
    CHECK(with("chatml") ==
          "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n A<|im_end|>\n<|im_start|>assistant\nB<|im_end|>\n"
          "<|im_start|>user\nC<|im_end|>\n<|im_start|>assistant\n");
    CHECK(with("gemma") ==
          "<s><start_of_turn>user\nS\n\nA<end_of_turn>\n<start_of_turn>model\nB<end_of_turn>\n<start_of_turn>user\n"
          "C<end_of_turn>\n<start_of_turn>model\n");
    CHECK(with("zephyr") ==
          "<|system|>\nS</s>\n<|user|>\n A</s>\n<|assistant|>\nB</s>\n<|user|>\nC</s>\n<|assistant|>\n");
}

TEST_CASE("templates that a guess by their words got wrong: a default system text, bos once, trimmed contents") {
    const std::vector<Message> turns{{"user", " A "}, {"assistant", "B"}, {"user", "C"}};
    const ChatFormat with_default(
        "{% if messages[0].role != 'system' %}<|system|>\nYou help.<|end|>\n{% endif %}{% for m in messages %}<|{{ "
        "m.role }}|>\n{{ m.content | trim }}<|end|>\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif "
        "%}",
        "t", kTokens);
    CHECK(said(with_default, turns) ==
          "<|system|>\nYou help.<|end|>\n<|user|>\nA<|end|>\n<|assistant|>\nB<|end|>\n<|user|>\nC<|end|>\n"
          "<|assistant|>\n");
    const ChatFormat bos_once(
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}{% "
        "else "
        "%}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}",
        "t", kTokens);
    CHECK(said(bos_once, turns) == "<s>[INST]  A  [/INST] B</s>[INST] C [/INST]");
}

TEST_CASE("a template's refusal is an error with its file and line") {
    const ChatFormat format(
        "{% for m in messages %}\n{% if m.role == 'tool' %}\n{{ raise_exception('no tools, only ' + bos_token) }}\n{% "
        "endif %}\n{% endfor %}",
        "chat_template.jinja", kTokens);
    CHECK(error_of([&] {
              said(format, {{"user", "a"}, {"tool", "b"}});
          }) == "chat_template.jinja: line 3: the template refuses the conversation: no tools, only <s>");
    CHECK(said(format, {{"user", "\xff"}}).empty());
}

TEST_CASE("the template is read from a directory's files in transformers' order, or from where it is asked for") {
    const test::TempDir directory;
    const std::string none = error_of_load(directory.path());
    CHECK(none.find("expected a chat template in chat_template.jinja or tokenizer_config.json, found none") !=
          std::string::npos);
    const auto loaded = [&](std::string_view choice = {}) {
        return said(ChatFormat::load(directory.path(), {{"bos_token", "<b>"}}, choice), {});
    };
    test::write_bytes(directory / "chat_template.json", json{{"chat_template", "legacy"}}.dump());
    CHECK(loaded() == "legacy");
    test::write_bytes(directory / "tokenizer_config.json",
                      json{{"chat_template", "{{ bos_token }}{{ eos_token }}{{ pad_token }}{{ unk_token }}."},
                           {"bos_token", "<ignored>"},
                           {"eos_token", {{"content", "<e>"}}},
                           {"pad_token", nullptr}}
                          .dump());
    CHECK(loaded() == "<b><e>.");
    const json named{
        {"chat_template", {{{"name", "rag"}, {"template", "x"}}, {{"name", "default"}, {"template", "y"}}}}};
    test::write_bytes(directory / "tokenizer_config.json", named.dump());
    CHECK(loaded() == "y");
    test::write_bytes(directory / "chat_template.jinja", "{{ bos_token }}jinja\n");
    CHECK(loaded() == "<b>jinja");
    test::write_bytes(directory / "mine.jinja", "mine");
    CHECK(loaded((directory / "mine.jinja").string()) == "mine");
    CHECK(loaded("chatml") == "<|im_start|>assistant\n");

    CHECK(error_of_load(directory.path(), "nosuch") ==
          "chat template: expected FILE|chatml|gemma|llama2|llama3|mistral|phi3|zephyr, found \"nosuch\"");
    test::write_bytes(directory / "chat_template.jinja", "a\n{{ b");
    CHECK(error_of_load(directory.path()) ==
          "chat_template.jinja: line 2: expected \"}}\", found the end of the template");
    std::filesystem::remove(directory / "chat_template.jinja");
    test::write_bytes(directory / "tokenizer_config.json", R"({"chat_template": 3})");
    CHECK(error_of_load(directory.path()) ==
          "tokenizer_config.json: \"chat_template\": expected a template or an array of named ones, found 3");
    test::write_bytes(directory / "tokenizer_config.json", R"({"chat_template": [{"name": "a", "template": "b"}]})");
    CHECK(error_of_load(directory.path()).find("expected a template named \"default\"") != std::string::npos);
}

TEST_CASE("Phi-3's own directory: the template's text encodes to role tokens, bos once") {
    const auto directory = test::test_data("phi-3-mini-4k-instruct");
    if (!directory) {
        MESSAGE("skipped: VITRO_TEST_DATA is unset");
        return;
    }
    const Tokenizer tokenizer = Tokenizer::load(*directory, 32064);
    const ChatFormat format = ChatFormat::load(*directory, {});
    const std::array messages{Message{"user", "Hi"}};
    CHECK(tokenizer.encode(format.format(messages, true), false) ==
          std::vector<std::int32_t>{1, 32010, 18567, 32007, 32001});
}
