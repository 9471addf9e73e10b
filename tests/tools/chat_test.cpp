// vitro chat at a terminal and on a pipe. The bundled model knows capitals.
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/tools/process.h"
#include "tests/tools/pty.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <sys/stat.h>

#include <csignal>
#include <filesystem>

using namespace vitro::test;
using Json = nlohmann::json;

namespace {

const std::string kItaly = "What is the capital of Italy?", kFrance = "What is the capital of France?";
const std::vector<std::string> kEndTokens = {"2048", "2049", "2055"};  // of the bundled model
// With what tells the terminal to mark what it pastes, so that no answer looks like it.
const std::string kPrompt = "\033[?2004h> ", kMore = "\033[?2004h. ";

/// A conversation whose history is kept in a directory of its own.
struct Chat {
    TempDir state;
    PtyProcess terminal;

    explicit Chat(std::vector<std::string> flags = {})
        : terminal(with_chat(std::move(flags)), {{"XDG_STATE_HOME", state.path().string()}}) {
        REQUIRE(terminal.shows(kPrompt));
    }

    static std::vector<std::string> with_chat(std::vector<std::string> flags) {
        flags.insert(flags.begin(), {"chat", "-n", "24"});
        return flags;
    }

    /// Types a message and waits until the next can be typed; what `/save` then says was said.
    void say(const std::string& keys) {
        terminal.type(keys + "\r");
        REQUIRE(terminal.shows("\033[?2004l"));
        REQUIRE(terminal.shows(kPrompt));
    }

    Json messages() {
        const std::string file = (state / "saved.json").string();
        say("/save " + file);
        return Json::parse(read_bytes(file));
    }

    int end() {
        terminal.type("\004");
        return terminal.finish();
    }
};

}  // namespace

TEST_CASE("chat takes any characters, whatever the locale says") {
    Chat chat;
    const std::string text = "Grüße, 日本語 🙂 Ω";
    chat.say(text);
    chat.say("naïve\x7f\x7f\x7f");  // backspace removes characters, not bytes
    const Json messages = chat.messages();
    REQUIRE(messages.size() == 4);
    CHECK(messages.at(0).at("role") == "user");
    CHECK(messages.at(0).at("content") == text);
    CHECK(messages.at(1).at("role") == "assistant");
    CHECK(messages.at(2).at("content") == "na");
    CHECK(chat.end() == 0);
}

TEST_CASE("what is pasted is one message with all its lines; a backslash joins lines that are typed") {
    Chat chat;
    chat.terminal.type("\033[200~first\rsecond ü\r\033[201~");
    chat.say("");
    chat.terminal.type("one \\\r");
    REQUIRE(chat.terminal.shows(kMore));
    chat.say("two");
    const Json messages = chat.messages();
    REQUIRE(messages.size() == 4);
    CHECK(messages.at(0).at("content") == "first\nsecond ü");
    CHECK(messages.at(2).at("content") == "one \ntwo");
}

TEST_CASE("Ctrl-C clears what is typed, a line or many, typed or sent, and Ctrl-D ends") {
    Chat chat;
    chat.terminal.type("half a line\003");
    REQUIRE(chat.terminal.shows("^C"));
    REQUIRE(chat.terminal.shows(kPrompt));
    chat.terminal.type("one \\\r");
    REQUIRE(chat.terminal.shows(kMore));
    chat.terminal.type("two\003");
    REQUIRE(chat.terminal.shows(kPrompt));
    chat.terminal.type("three");
    REQUIRE(chat.terminal.shows("three"));
    ::kill(chat.terminal.pid(), SIGINT);
    REQUIRE(chat.terminal.shows(kPrompt));
    chat.say(kItaly);
    CHECK(contains(chat.terminal.screen(), "Rome"));
    const Json messages = chat.messages();
    REQUIRE(messages.size() == 2);
    CHECK(messages.at(0).at("content") == kItaly);
    CHECK(chat.end() == 0);
}

TEST_CASE("Ctrl-C ends an answer, and the conversation goes on") {
    std::vector<std::string> flags = {"chat", "-t", "1"};
    for (const std::string& id : kEndTokens) flags.insert(flags.end(), {"--logit-bias", id + "=-inf"});
    const TempDir state;
    PtyProcess terminal(flags, {{"XDG_STATE_HOME", state.path().string()}});
    REQUIRE(terminal.shows(kPrompt));
    terminal.type(kItaly + "\r");
    REQUIRE(terminal.shows("Rome"));
    terminal.type("\003");
    REQUIRE(terminal.shows(kPrompt));
    terminal.type("exit\r");
    CHECK(terminal.finish() == 0);
}

TEST_CASE("a signal that ends chat leaves the terminal as it was") {
    for (const int signal : {SIGTERM, SIGHUP}) {
        CAPTURE(signal);
        Chat chat;
        chat.terminal.type("half a line");
        REQUIRE(chat.terminal.shows("half a line"));
        CHECK_FALSE(chat.terminal.is_plain());
        ::kill(chat.terminal.pid(), signal);
        CHECK(chat.terminal.finish() == -signal);
        CHECK(chat.terminal.is_plain());
        CHECK(chat.terminal.screen().ends_with("\033[?2004l"));
    }
}

TEST_CASE("a signal ends chat at a terminal that Ctrl-S holds") {
    Chat chat;
    chat.terminal.type("\023");
    ::usleep(100'000);
    ::kill(chat.terminal.pid(), SIGTERM);
    CHECK(chat.terminal.finish() == -SIGTERM);
}

TEST_CASE("commands: help, reset, save, and what is none") {
    Chat chat;
    chat.say(kItaly);
    CHECK(chat.messages().size() == 2);
    chat.say("/help");
    CHECK(contains(chat.terminal.screen(), "/save FILE"));
    chat.say("/reset");
    CHECK(chat.messages().empty());
    chat.say("/rest");
    CHECK(contains(chat.terminal.screen(), "no command is called '/rest': did you mean '/reset'?"));
    chat.say("/save");
    CHECK(contains(chat.terminal.screen(), "/save: expected the name of a file"));
    chat.say("/save /no/such/folder/file");
    CHECK(contains(chat.terminal.screen(), "/no/such/folder/file: cannot be written"));
    chat.say("/etc/hosts is a file");
    CHECK(chat.messages().at(0).at("content") == "/etc/hosts is a file");
    for (const char* end : {"exit", "quit", "/exit"}) {
        Chat other;
        other.terminal.type(std::string(end) + "\r");
        CHECK(other.terminal.finish() == 0);
    }
}

TEST_CASE("what was typed is there again in the next session, for this user alone") {
    const TempDir state;
    const PtyProcess::Environment environment = {{"XDG_STATE_HOME", state.path().string()}};
    for (int session = 0; session < 2; ++session) {
        PtyProcess terminal({"chat", "-n", "8"}, environment);
        REQUIRE(terminal.shows(kPrompt));
        if (session == 1) {
            terminal.type("\033[A");
            CHECK(terminal.shows("höchstens"));
            terminal.type("\003");
            REQUIRE(terminal.shows(kPrompt));
        } else {
            terminal.type("höchstens\r");
            REQUIRE(terminal.shows("\033[?2004l"));
            REQUIRE(terminal.shows(kPrompt));
        }
        terminal.type("\004");
        CHECK(terminal.finish() == 0);
    }
    struct stat status {};
    REQUIRE(::stat((state / "vitro/chat_history").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777u) == 0600u);
    // A place that cannot be written to is no reason not to talk.
    PtyProcess terminal({"chat", "-n", "8"}, {{"XDG_STATE_HOME", "/proc/nowhere"}});
    REQUIRE(terminal.shows(kPrompt));
    terminal.type("hello\r");
    REQUIRE(terminal.shows("\033[?2004l"));
    REQUIRE(terminal.shows(kPrompt));
    terminal.type("\004");
    CHECK(terminal.finish() == 0);
}

TEST_CASE("a message or conversation that is too long is said to be, and the conversation goes on") {
    std::string overlong = kItaly;
    for (int i = 0; i < 100; ++i) overlong += " and of Italy";
    const ProcessResult one = run_vitro({"chat", "-n", "20", "-c", "64"}, {.input = overlong + "\n" + kFrance + "\n"});
    CHECK(one.exit_code == 1);  // a message was not answered
    CHECK(contains(one.err, "error: the message is "));
    CHECK(contains(one.out, "Paris"));

    std::string questions;
    for (int i = 0; i < 8; ++i) questions += kItaly + "\n" + kFrance + "\n";
    const ProcessResult full = run_vitro({"chat", "-n", "20", "-c", "64"}, {.input = questions + "/reset\n" + kFrance});
    CHECK(full.exit_code == 1);
    CHECK(contains(full.err, "error: the conversation is "));
    CHECK(contains(full.err, "/reset begins a new one; with --context-shift the oldest turns are dropped"));
    CHECK(full.out.ends_with("Paris.\n"));

    const ProcessResult shifted =
        run_vitro({"chat", "-n", "20", "-c", "64", "--context-shift"}, {.input = questions + kFrance});
    CHECK(shifted.exit_code == 0);
    CHECK(contains(shifted.err, "dropped)"));
    CHECK(count(shifted.out, "\n") == 17);
    const ProcessResult alone = run_vitro({"chat", "-n", "20", "-c", "64"}, {.input = kFrance});
    CHECK(contains(alone.out, "Paris"));
}

TEST_CASE("an answer that the context cuts is marked") {
    const ProcessResult result = run_vitro({"chat", "-c", "18"}, {.input = kItaly});
    CHECK(contains(result.err, "the answer ends here because the context of 18 tokens is full"));
}

TEST_CASE("a model file that changes while it is in use: it is named, and there are no wrong answers") {
    const TempDir model;
    for (const auto& entry : std::filesystem::directory_iterator(source_path("models/bundled/tiny-phi3")))
        if (entry.is_regular_file()) std::filesystem::copy_file(entry.path(), model / entry.path().filename().string());
    const std::string weights = (model / "model.safetensors").string();
    const TempDir state;
    const PtyProcess::Environment environment = {{"XDG_STATE_HOME", state.path().string()}};
    SUBCASE("written to between answers") {
        PtyProcess terminal({"chat", "-m", model.path().string(), "-n", "8"}, environment);
        REQUIRE(terminal.shows(kPrompt));
        const std::string bytes = read_bytes(weights);
        std::filesystem::last_write_time(weights,
                                         std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
        terminal.type(kItaly + "\r");
        CHECK(terminal.shows("error: " + weights + ": expected the time stamp"));
        CHECK(terminal.finish() == 1);
    }
    SUBCASE("shortened while it computes") {
        std::vector<std::string> flags = {"run", "-m", model.path().string(), "--no-kv-cache", "Once upon a time"};
        for (const std::string& id : kEndTokens) flags.insert(flags.end(), {"--logit-bias", id + "=-inf"});
        PtyProcess terminal(flags, environment);
        REQUIRE(terminal.shows(" "));
        std::filesystem::resize_file(weights, 0);
        CHECK(terminal.shows("error: " + weights + ": cannot be read any more"));
        CHECK(terminal.finish() == 1);
    }
}
