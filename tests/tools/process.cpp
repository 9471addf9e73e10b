#include "tests/tools/process.h"
#include "tests/paths.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <stdexcept>

namespace vitro::test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kLongest{120};

struct Pipe {
    std::array<int, 2> ends{-1, -1};
    Pipe() {
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() {
        close(0);
        close(1);
    }
    int end(std::size_t i) const { return ends[i]; }
    void close(std::size_t i) {
        if (ends[i] >= 0) ::close(ends[i]);
        ends[i] = -1;
    }
};

/// Appends what can be read; false at the end.
bool take(int descriptor, std::string& text) {
    std::array<char, 65536> buffer;
    const ssize_t n = ::read(descriptor, buffer.data(), buffer.size());
    if (n > 0) text.append(buffer.data(), static_cast<std::size_t>(n));
    return n > 0;
}

}  // namespace

ProcessResult run_vitro(const std::vector<std::string>& arguments, const ProcessOptions& options) {
    std::vector<std::string> words{vitro_binary()};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return run_program(std::move(words), options);
}

ProcessResult run_program(std::vector<std::string> words, const ProcessOptions& options) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);

    std::signal(SIGPIPE, SIG_IGN);  // a child that does not read its input is no reason to die
    Pipe in, out, err;
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error("no process");
    if (child == 0) {
        std::signal(SIGPIPE, SIG_DFL);
        ::dup2(in.end(0), 0);
        ::dup2(out.end(1), 1);
        ::dup2(err.end(1), 2);
        ::execvp(argv[0], argv.data());
        ::_exit(127);
    }
    in.close(0);
    out.close(1);
    err.close(1);

    ProcessResult result;
    const auto start = Clock::now();
    std::string_view input = options.input;
    bool interrupted = false, killed = false;
    while (out.end(0) >= 0 || err.end(0) >= 0) {
        if (input.empty()) in.close(1);
        pollfd waits[] = {{out.end(0), POLLIN, 0}, {err.end(0), POLLIN, 0}, {in.end(1), POLLOUT, 0}};
        ::poll(waits, 3, 10);
        if (waits[0].revents != 0 && !take(out.end(0), result.out)) out.close(0);
        if (waits[1].revents != 0 && !take(err.end(0), result.err)) err.close(0);
        if (waits[2].revents != 0) {
            const ssize_t n = ::write(in.end(1), input.data(), std::min<std::size_t>(input.size(), 4096));
            n > 0 ? input.remove_prefix(static_cast<std::size_t>(n)) : in.close(1);
        }
        const auto elapsed = Clock::now() - start;
        const bool due = (options.interrupt_after_output && !result.out.empty()) ||
                         (options.interrupt && elapsed >= *options.interrupt);
        if (due && !interrupted) {
            ::kill(child, SIGINT);
            interrupted = true;
        }
        if (elapsed > kLongest && !killed) {
            ::kill(child, SIGKILL);
            killed = true;
        }
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return result;
}

void check_error(const ProcessResult& result, const std::vector<std::string>& parts) {
    INFO("stdout: " << result.out);
    INFO("stderr: " << result.err);
    CHECK(result.exit_code == 1);
    CHECK(result.out.empty());
    CHECK(result.err.starts_with("error: "));
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK(result.err.ends_with('\n'));
    for (const std::string& part : parts) CHECK_MESSAGE(result.err.find(part) != std::string::npos, "lacks: ", part);
}

void check_success(const ProcessResult& result) {
    INFO("stdout: " << result.out.substr(0, 2000));
    INFO("stderr: " << result.err);
    CHECK(result.exit_code == 0);
    CHECK(result.err.find("error") == std::string::npos);
}

std::string out_of(const std::vector<std::string>& arguments) {
    const ProcessResult result = run_vitro(arguments);
    check_success(result);
    return result.out;
}

std::size_t count(std::string_view text, std::string_view part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
    return n;
}

}  // namespace vitro::test
