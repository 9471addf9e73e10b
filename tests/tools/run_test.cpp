// vitro run and vitro chat, with the bundled model.
#include "tests/paths.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>

using namespace vitro::test;
using Json = nlohmann::json;

namespace {

const std::string kFrance = "The capital of France is";

ProcessResult run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "run");
    ProcessResult result = run_vitro(arguments);
    check_success(result);
    return result;
}

Json run_json(std::vector<std::string> arguments) {
    arguments.push_back("--json");
    return Json::parse(run(std::move(arguments)).out);
}

Json bundled(const char* file) {
    std::ifstream in(source_path("models/bundled/tiny-phi3") / file);
    REQUIRE_MESSAGE(in, "the bundled model lacks ", std::string(file));
    return Json::parse(in);
}

/// Flags that keep the bundled model from ending its text by itself.
std::vector<std::string> endless() {
    std::vector<std::string> flags;
    const auto forbid = [&](const Json& id) { flags.insert(flags.end(), {"--logit-bias", id.dump() + "=-inf"}); };
    const Json ids = bundled("generation_config.json").at("eos_token_id");
    if (ids.is_array())
        for (const Json& id : ids) forbid(id);
    else
        forbid(ids);
    return flags;
}

std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

}  // namespace

TEST_CASE("run prints the completion alone to stdout, and timings to stderr") {
    const ProcessResult result = run({kFrance});
    CHECK(result.out.starts_with(" Paris"));
    CHECK(result.out.ends_with("\n"));
    CHECK(result.err.find("prompt ") != std::string::npos);
    CHECK(result.err.find("tokens/s") != std::string::npos);
    CHECK(run({"-p", kFrance}).out == result.out);
}

TEST_CASE("expected completions of the bundled model come out of the binary") {
    const Json rows = bundled("expected.json");
    REQUIRE(rows.size() >= 45);
    std::size_t chats = 0;
    for (std::size_t i = 0; i < rows.size(); i += rows[i].at("chat") ? 1 : 15) {
        const Json& row = rows[i];
        if (row.at("chat") && ++chats > 4) continue;
        CAPTURE(row.at("prompt").get<std::string>());
        std::vector<std::string> arguments{row.at("prompt"), "-n", std::to_string(row.at("expected_ids").size())};
        if (row.at("chat")) arguments.push_back("--chat");
        const Json out = run_json(arguments);
        CHECK(out.at("tokens") == row.at("expected_ids"));
        CHECK(out.at("text").get<std::string>().starts_with(row.at("greedy_text_prefix").get<std::string>()));
    }
    CHECK(chats > 0);
}

TEST_CASE("run --json prints one object with the documented fields") {
    const Json out = run_json({kFrance, "-n", "3"});
    CHECK(out.size() == 5);
    CHECK(out.at("prompt_tokens").size() >= 3);
    CHECK(out.at("tokens").size() <= 3);
    CHECK(out.at("text").get<std::string>().starts_with(" Paris"));
    CHECK(out.at("finish_reason") == "length");
    CHECK(out.at("timings").at("prompt_seconds").get<double>() > 0);
    CHECK(out.at("timings").at("decode_seconds").get<double>() >= 0);
}

TEST_CASE("the reasons why a text ends") {
    CHECK(run_json({kFrance}).at("finish_reason") == "stop");
    CHECK(run_json({kFrance, "-n", "1"}).at("finish_reason") == "length");
    const Json none = run_json({kFrance, "-n", "0"});
    CHECK(none.at("tokens").empty());
    CHECK(none.at("text") == "");
    CHECK(none.at("finish_reason") == "length");
    const Json stopped = run_json({kFrance, "--stop", "qqq", "--stop", "ris"});
    CHECK(stopped.at("text") == " Pa");
    CHECK(stopped.at("finish_reason") == "stop");
    CHECK(run({kFrance, "--stop", " Paris"}).out == "\n");
    const Json full = run_json(std::vector<std::string>{kFrance, "-c", "24"} + endless());
    CHECK(full.at("prompt_tokens").size() + full.at("tokens").size() == 24);
    CHECK(full.at("finish_reason") == "context");
}

TEST_CASE("the same seed gives the same text with any number of threads, another seed another") {
    const auto text = [](const std::string& threads, const std::string& seed) {
        return run(std::vector<std::string>{kFrance, "-n", "40", "--temp", "2", "-s", seed, "-t", threads} + endless())
            .out;
    };
    const std::string one = text("1", "5");
    CHECK(text("3", "5") == one);
    CHECK(text("1", "6") != one);
}

TEST_CASE("without the cache the same text comes") {
    const std::vector<std::string> arguments =
        std::vector<std::string>{kFrance, "-n",      "40",    "--temp",           "1.5", "--top-k", "50", "--top-p",
                                 "0.95",  "--min-p", "0.001", "--repeat-penalty", "1.1", "-s",      "3"} +
        endless();
    CHECK(run(arguments + std::vector<std::string>{"--no-kv-cache"}).out == run(arguments).out);
}

TEST_CASE("Ctrl-C ends a text with what was written and exit code 130") {
    const std::vector<std::string> slow =
        std::vector<std::string>{"run", "Once upon a time", "--no-kv-cache", "-c", "500"} + endless();
    const ProcessResult plain = run_vitro(slow, {.interrupt_after_output = true});
    CHECK(plain.exit_code == 130);
    CHECK(plain.out.size() > 1);
    CHECK(plain.out.ends_with("\n"));
    CHECK(plain.err.find("tokens/s") != std::string::npos);
    CHECK(plain.err.find("error") == std::string::npos);
}

TEST_CASE("Ctrl-C with --json prints the whole object") {
    const std::vector<std::string> slow =
        std::vector<std::string>{"run", "Once upon a time", "--no-kv-cache", "-c", "500", "--json"} + endless();
    for (std::chrono::milliseconds wait{200};; wait *= 2) {
        const ProcessResult result = run_vitro(slow, {.interrupt = wait});
        // Before main has run the signal ends any program: give a slow machine more time.
        if (result.exit_code == -2 && wait < std::chrono::seconds(10)) continue;
        CHECK(result.exit_code == 130);
        const Json out = Json::parse(result.out);
        CHECK(out.at("finish_reason") == "interrupted");
        CHECK(out.at("text").is_string());
        break;
    }
}

TEST_CASE("chat answers each line of a pipe, and remembers the turns before") {
    const std::string question = "What is the capital of Italy?";
    const ProcessResult one = run_vitro({"chat", "-n", "40"}, {.input = question + "\n"});
    check_success(one);
    CHECK(one.out.find("Rome") != std::string::npos);
    CHECK(one.out.ends_with("\n"));
    const ProcessResult two = run_vitro({"chat", "-n", "40"}, {.input = question + "\n\n" + question});
    check_success(two);
    CHECK(two.out.starts_with(one.out));
    CHECK(two.out.size() > one.out.size());
    CHECK(run_vitro({"chat"}).out.empty());
    const Json alone = run_json({question, "--chat", "-n", "40"});
    CHECK(alone.at("text").get<std::string>() + "\n" == one.out);
}

TEST_CASE("Ctrl-C while chat answers a pipe ends it with 130") {
    const ProcessResult result =
        run_vitro(std::vector<std::string>{"chat", "-t", "1"} + endless(),
                  {.input = "Write a letter to Sarah.\nAnd another one.\n", .interrupt_after_output = true});
    CHECK(result.exit_code == 130);
    CHECK_FALSE(result.out.empty());
}
