// vitro tokenize and detokenize from a tokenizer.json alone, and the report of where tokenizers part.
#include "tests/frontend/temp_dir.h"
#include "tests/frontend/tokenizer_files.h"
#include "tests/runtime/tiny_text_model.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace vitro::test;
using nlohmann::json;

namespace {

constexpr std::string_view kMetaspace =
    R"("pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false})";
constexpr std::string_view kDecoder =
    R"("decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"})";

void write_tokenizer(const TempDir& directory, std::string_view members) {
    write_bytes(directory / "tokenizer.json", small_tokenizer_json(members));
}

}  // namespace

TEST_CASE("a tokenizer.json is enough to tokenize and detokenize") {
    const TempDir directory;
    write_tokenizer(directory, std::string(kMetaspace) + ", " + std::string(kDecoder));
    const ProcessResult ids = run_vitro({"tokenize", "-m", directory.path().string(), "--json", "the tin"});
    check_success(ids);
    const json out = json::parse(ids.out);
    CHECK(out.at("pieces") == json{"▁the", "▁t", "in"});
    CHECK(out.at("offsets") == json::parse("[[0, 3], [3, 5], [5, 7]]"));
    std::string list;
    for (const json& id : out.at("ids")) list += (list.empty() ? "" : ",") + id.dump();
    const ProcessResult text = run_vitro({"detokenize", "-m", directory.path().string(), list});
    check_success(text);
    CHECK(text.out == "the tin\n");
}

TEST_CASE("a model with tokenizer.json and no tokenizer.model runs and chats") {
    const TempDir directory;
    write_tiny_text_model(directory.path());
    const auto answer = [&] {
        const ProcessResult run = run_vitro({"run", "-m", directory.path().string(), "-n", "4", "--json", "the a"});
        check_success(run);
        return json::parse(run.out).at("tokens");
    };
    const json before = answer();
    std::filesystem::remove(directory / "tokenizer.model");
    write_bytes(directory / "tokenizer_config.json", R"({"add_bos_token": true, "bos_token": "<s>"})");
    write_tokenizer(directory, std::string(kMetaspace) + ", " + std::string(kDecoder));
    CHECK(answer() == before);
    check_success(
        run_vitro({"run", "-m", directory.path().string(), "-n", "4", "--chat", "--chat-template", "phi3", "the"}));
}

TEST_CASE("tokenize --check names the text, both cuts and the rule, and ends with 1 where tokenizers part") {
    const TempDir ours, theirs, files;
    write_tokenizer(ours, kMetaspace);
    write_tokenizer(theirs, kMetaspace);
    write_bytes(files / "text", "the tin\nabc the");
    const auto check = [&](std::string_view against) {
        return run_vitro({"tokenize", "-m", ours.path().string(), "--check", (files / "text").string(), "--against",
                          std::string(against)});
    };
    const ProcessResult same = check(theirs.path().string());
    check_success(same);
    CHECK(same.out == "0 of 1 texts differ\n");

    const std::string digits = R"("pre_tokenizer": {"type": "Sequence", "pretokenizers": [)" +
                               std::string(kMetaspace.substr(kMetaspace.find('{'))) +
                               R"(, {"type": "Split", "pattern": {"String": "b"}, "behavior": "Isolated"}]})";
    write_tokenizer(theirs, digits);
    const ProcessResult other = check(theirs.path().string());
    CHECK(other.exit_code == 1);
    CHECK(other.out.find("text:2:1: pre-tokenizer \"abc\"") != std::string::npos);
    CHECK(other.out.find("1 of 1 texts differ") != std::string::npos);

    write_bytes(files / "text", std::string("abc\xff\xff the tin ab\xc3", 17));  // longer once it is made UTF-8
    CHECK(check(theirs.path().string()).exit_code == 1);

    write_bytes(files / "ids", "[261, 259, 262]");
    const ProcessResult ids = check((files / "ids").string());
    CHECK(ids.exit_code == 1);
    CHECK(ids.out.find("of 1 texts differ") != std::string::npos);
}

TEST_CASE("tokenize --check compares with a table of ids") {
    const TempDir directory, files;
    write_tokenizer(directory, kMetaspace);
    write_bytes(files / "table", R"({"text": "the", "ids": [261]}
{"text": "in a", "ids": [266, 262, 265]}
{"text": "the", "ids": [261, 9999]}
)");
    const ProcessResult report =
        run_vitro({"tokenize", "-m", directory.path().string(), "--check", (files / "table").string(), "--json"});
    CHECK(report.exit_code == 1);
    const json out = json::parse(report.out);
    CHECK(out.at("texts") == 3);
    CHECK(out.at("different") == 2);
    CHECK(out.at("bytes") == 3 + 4 + 3);
    CHECK(out.at("tokens") == 1 + 3 + 1);
    CHECK(out.at("seconds") > 0.0);
    CHECK(out.at("rules").contains("vocabulary: no such id"));
    write_bytes(files / "table", "{\"text\": 1}");
    const ProcessResult broken =
        run_vitro({"tokenize", "-m", directory.path().string(), "--check", (files / "table").string()});
    CHECK(broken.exit_code == 1);
    CHECK(broken.err.find("table line 1: \"text\": expected") != std::string::npos);
}
