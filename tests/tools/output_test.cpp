// What cannot be written: to stdout an error, to stderr nothing. Output files that are no plain files; signals.
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/tools/process.h"

#include <doctest/doctest.h>
#include <fmt/ranges.h>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

using namespace vitro::test;

namespace {

const std::vector<std::string> kPrinting[] = {
    {"--version"},
    {"--help"},
    {"run", "--help"},
    {"run", "The capital of France is", "-n", "2"},
    {"run", "The capital of France is", "-n", "2", "--json"},
    {"show"},
    {"next", "Hello"},
    {"tokenize", "a b"},
    {"tokenize", "a b", "--json"},
    {"detokenize", "401"},
    {"graph"},
    {"graph", "--explain"},
    {"opt", source_path("tests/tools/ffn.vt")},
    {"exec", source_path("tests/tools/ffn.vt")},
    {"ops"},
    {"ops", "relu", "--check"},
    {"plan"},
    {"plan", "--json"},
    {"devices"},
};

std::string quoted(const std::string& word) { return "'" + word + "'"; }

/// `vitro` with these arguments and redirections of a shell.
ProcessResult run_redirected(const std::vector<std::string>& arguments, const std::string& redirections) {
    std::string line = "exec " + quoted(vitro_binary());
    for (const std::string& argument : arguments) line += " " + quoted(argument);
    return run_program({"sh", "-c", line + " " + redirections});
}

pid_t start(std::vector<std::string>& words) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(2);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    REQUIRE(child > 0);
    return child;
}

std::string without_times(const std::string& text) { return text.substr(0, text.find("\"timings\"")); }

}  // namespace

TEST_CASE("what cannot be written to stdout is an error, whatever writes it") {
    for (const std::vector<std::string>& arguments : kPrinting) {
        const std::string line = fmt::format("{}", fmt::join(arguments, " "));
        CAPTURE(line);
        const ProcessResult full = run_redirected(arguments, "> /dev/full");
        CHECK(full.exit_code == 1);
        CHECK(contains(full.err, "cannot be written: No space left on device"));
        const ProcessResult closed = run_redirected(arguments, ">&-");
        CHECK(closed.exit_code == 1);
        CHECK(contains(closed.err, "cannot be written"));
    }
}

TEST_CASE("a reader that goes away ends the program without a word, as by SIGPIPE") {
    for (const std::vector<std::string>& arguments : kPrinting) {
        const std::string line = fmt::format("{}", fmt::join(arguments, " "));
        CAPTURE(line);
        // The program starts to write when the reader is gone.
        std::string command = "{ sleep 0.1; " + quoted(vitro_binary());
        for (const std::string& argument : arguments) command += " " + quoted(argument);
        const ProcessResult result = run_program({"sh", "-c", command + "; echo $? >&2; } | true"});
        if (arguments[0] != "run") {  // which tells timings on stderr
            CHECK(result.err == "141\n");
        }
        CHECK(result.err.ends_with("141\n"));
        CHECK_FALSE(contains(result.err, "error"));
    }
}

TEST_CASE("stderr that is full, closed or a broken pipe changes nothing") {
    const TempDir out;
    const std::string file = (out / "out.vt").string(), ffn = source_path("tests/tools/ffn.vt");
    const std::vector<std::string> noisy[] = {
        {"run", "The capital of France is", "-n", "2"},
        {"opt", ffn, "--check-numerics"},
        {"logits", "--tokens", "1,2", "-o", file},
        {"opt", ffn, "--check-numerics", "-o", file},
    };
    for (const std::vector<std::string>& arguments : noisy) {
        const std::string line = fmt::format("{}", fmt::join(arguments, " "));
        CAPTURE(line);
        const std::string expected = out_of(arguments);
        for (const char* redirection : {"2> /dev/full", "2>&-"}) {
            CAPTURE(redirection);
            std::filesystem::remove(file);
            const ProcessResult result = run_redirected(arguments, redirection);
            CHECK(result.exit_code == 0);
            CHECK(without_times(result.out) == without_times(expected));
            CHECK(std::filesystem::exists(file) == (arguments.back() == file));
        }
        std::string command = quoted(vitro_binary());
        for (const std::string& argument : arguments) command += " " + quoted(argument);
        const ProcessResult broken =
            run_program({"sh", "-c", "{ { sleep 0.1; " + command + "; echo $? >&3; } 2>&1 >&4 | true; } 3>&2 4>&1"});
        CHECK(broken.err == "0\n");
        CHECK(without_times(broken.out) == without_times(expected));
    }
    CHECK(run_redirected({"runn"}, "2> /dev/full").exit_code == 2);
    CHECK(run_redirected({"show", "-m", "nowhere"}, "2>&-").exit_code == 1);
}

TEST_CASE("what a tool prints goes into the file of -o, and nothing of it to stdout") {
    const TempDir directory;
    const std::string file = (directory / "out").string();
    for (std::vector<std::string> command : std::vector<std::vector<std::string>>{
             {"graph"},
             {"graph", "--explain"},
             {"graph", "--diff", "build:program"},
             {"plan"},
             {"plan", "--json"},
             {"opt", source_path("tests/tools/ffn.vt")},
             {"embed", "-p", "a"},
             {"compare", "-p", "a", "--b", "threads=1"},
             {"compare", "-p", "a", "--b", "threads=1", "--json"},
             {"profile", "-p", "a", "-n", "1"},
             {"profile", "-p", "a", "-n", "1", "--json"},
         }) {
        CAPTURE(fmt::format("{}", fmt::join(command, " ")));
        command.insert(command.end(), {"-o", file});
        const ProcessResult result = run_vitro(command);
        CHECK(result.exit_code == 0);
        CHECK(result.out.empty());
        if (command[0] == "embed")
            CHECK(contains(result.err, "embeddings f32 [1, "));
        else
            CHECK(result.err.empty());
        REQUIRE(std::filesystem::exists(file));
        CHECK(std::filesystem::file_size(file) > 100);
        std::filesystem::remove(file);
    }
}

TEST_CASE("-o writes to pipes, devices and links, keeps the mode of files and takes names with a dash") {
    const TempDir out;
    const std::string expected = out_of({"graph"});
    const std::string at = "cd " + quoted(out.path().string()) + " && ";
    const std::string graph = quoted(vitro_binary()) + " graph -o ";
    const auto shell = [&](const std::string& command) { return run_program({"sh", "-c", at + command}); };

    CHECK(shell(graph + "-").out == expected);
    CHECK(shell(graph + "/dev/stdout").out == expected);
    CHECK(shell(graph + "/dev/stdout | cat").out == expected);
    CHECK(shell("echo before > log; " + graph + "/dev/stdout >> log; cat log").out == "before\n" + expected);
    CHECK(shell(graph + "/dev/null").exit_code == 0);
    check_error(shell(graph + "/dev/full"), {"/dev/full: cannot be written: No space left on device"});
    CHECK(shell("mkfifo pipe; cat pipe & " + graph + "pipe; wait").out == expected);
    CHECK(shell(graph + "-x.vt && cat ./-x.vt").out == expected);
    CHECK(shell(graph + "=-y.vt; cat ./=-y.vt").out == expected);
    CHECK(shell(quoted(vitro_binary()) + " opt -- -x.vt").out == out_of({"opt", (out / "-x.vt").string()}));
    CHECK(shell("touch real; chmod 640 real; ln -s real link; " + graph + "link; stat -c %a real; readlink link").out ==
          "640\nreal\n");
    CHECK(read_bytes(out / "real") == expected);
    check_error(shell(graph + "."), {"cannot be written: Is a directory"});
    check_error(shell("mkdir sub; " + graph + "sub/no/such"), {"sub/no/such"});
    CHECK(shell(quoted(vitro_binary()) + " logits --tokens 1,2 -o - | wc -c").out ==
          shell(quoted(vitro_binary()) + " logits --tokens 1,2 -o l && wc -c < l").out);
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(out.path())) ++files;
    CHECK(files == 8);  // log, pipe, -x.vt, =-y.vt, real, link, sub, l
}

TEST_CASE("a signal removes the unfinished file and ends the program as it would have") {
    std::vector<std::string> words{vitro_binary(), "logits", "-o", "", "--tokens", "1"};
    for (int i = 0; i < 400; ++i) words.back() += ",2";  // 6 MB are written
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        CAPTURE(signal);
        bool was_caught = false;
        for (int attempt = 0; attempt < 50 && !was_caught; ++attempt) {
            const TempDir out;
            words[3] = (out / "logits").string();
            const pid_t child = start(words);
            int status = 0;
            while (::waitpid(child, &status, WNOHANG) == 0 && std::filesystem::is_empty(out.path())) continue;
            ::kill(child, SIGSTOP);
            if (::waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status)) continue;  // it was faster
            was_caught = !std::filesystem::exists(words[3]) && !std::filesystem::is_empty(out.path());
            ::kill(child, signal);
            ::kill(child, SIGCONT);
            ::waitpid(child, &status, 0);
            if (!was_caught) continue;
            CHECK(WIFSIGNALED(status));
            CHECK(WTERMSIG(status) == signal);
            // Another thread may have finished the file in the same moment; what is unfinished is gone.
            std::filesystem::remove(words[3]);
            CHECK(std::filesystem::is_empty(out.path()));
        }
        CHECK(was_caught);
    }
}

TEST_CASE("a file that gets larger than the user may write is an error, and nothing of it is left") {
    const TempDir directory;
    const std::string file = (directory / "page.html").string();
    const std::string command =
        "ulimit -f 1; exec " + quoted(vitro_binary()) + " graph --format html -o " + quoted(file);
    check_error(run_program({"sh", "-c", command}), {file + ": cannot be written: File too large"});
    CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("a signal that the caller ignores stays ignored") {
    const ProcessResult result =
        run_program({"sh", "-c", "trap '' HUP; " + quoted(vitro_binary()) + " chat & sleep 0.5; kill -HUP $!; wait $!"},
                    {.input = ""});
    CHECK(result.exit_code == 0);
}
