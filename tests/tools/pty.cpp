#include "tests/tools/pty.h"

#include "tests/paths.h"

#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace vitro::test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kLongest{60};

}  // namespace

PtyProcess::PtyProcess(std::vector<std::string> arguments, const Environment& environment) {
    arguments.insert(arguments.begin(), vitro_binary());
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const winsize size{.ws_row = 50, .ws_col = 200, .ws_xpixel = 0, .ws_ypixel = 0};
    pid_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
    if (pid_ < 0) throw std::runtime_error("no terminal");
    if (pid_ > 0) return;
    for (const char* name : {"LANG", "LC_ALL", "LC_CTYPE"}) ::unsetenv(name);
    ::setenv("TERM", "xterm", 1);
    for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
    ::execv(argv[0], argv.data());
    ::_exit(127);
}

PtyProcess::~PtyProcess() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    ::close(terminal_);
}

bool PtyProcess::is_plain() const {
    termios modes{};
    if (::tcgetattr(terminal_, &modes) != 0) throw std::runtime_error("no terminal");
    constexpr tcflag_t kPlain = ECHO | ICANON | ISIG;
    return (modes.c_lflag & kPlain) == kPlain;
}

void PtyProcess::type(std::string_view keys) const {
    while (!keys.empty()) {
        const ssize_t count = ::write(terminal_, keys.data(), keys.size());
        if (count < 0) throw std::runtime_error("the terminal does not take more");
        keys.remove_prefix(static_cast<std::size_t>(count));
    }
}

bool PtyProcess::read_more(Clock::time_point deadline) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd wait{terminal_, POLLIN, 0};
    if (left <= 0 || ::poll(&wait, 1, static_cast<int>(left)) <= 0) return false;
    char buffer[4096];
    const ssize_t count = ::read(terminal_, buffer, sizeof buffer);
    if (count <= 0) return false;  // a terminal ends with EIO
    screen_.append(buffer, static_cast<std::size_t>(count));
    return true;
}

bool PtyProcess::shows(std::string_view text) {
    const auto deadline = Clock::now() + kLongest;
    for (;;) {
        const std::size_t at = screen_.find(text, seen_);
        if (at != std::string::npos) {
            seen_ = at + text.size();
            return true;
        }
        if (!read_more(deadline)) return false;
    }
}

int PtyProcess::finish() {
    const auto deadline = Clock::now() + kLongest;
    while (read_more(deadline)) continue;
    if (Clock::now() >= deadline) ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace vitro::test
