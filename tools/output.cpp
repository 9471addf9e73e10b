#include "tools/output.h"

#include "base/error.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

namespace vitro {
namespace {

constexpr std::size_t kMuch = 1 << 16;

std::string gathered;

/// Writes all of it; errno where that fails, else 0.
int write_all(int descriptor, std::string_view text) noexcept {
    while (!text.empty()) {
        const ssize_t count = ::write(descriptor, text.data(), text.size());
        if (count >= 0) {
            text.remove_prefix(static_cast<std::size_t>(count));
        } else if (errno == EAGAIN) {  // whoever shares the descriptor made it non-blocking
            pollfd wait{descriptor, POLLOUT, 0};
            ::poll(&wait, 1, -1);
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

}  // namespace

void prepare_output() {
    // Opened in the direction that it is not used in, so that using it still fails.
    for (const auto& [descriptor, mode] :
         {std::pair{STDIN_FILENO, O_WRONLY}, std::pair{STDOUT_FILENO, O_RDONLY}, std::pair{STDERR_FILENO, O_RDONLY}})
        if (::fcntl(descriptor, F_GETFD) < 0 && ::open("/dev/null", mode) < 0) return;  // the lowest free number
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);  // beyond `ulimit -f`: an error as any other, and no file is left behind
}

void write_out(std::string_view text) {
    static const bool is_watched = ::isatty(STDOUT_FILENO) != 0;
    gathered += text;
    if (is_watched || gathered.size() >= kMuch) flush_out();
}

void flush_out() {
    const int error = write_all(STDOUT_FILENO, gathered);
    gathered.clear();
    if (error == EPIPE) throw ClosedPipe();
    if (error != 0) fail("standard output: cannot be written: {}", std::strerror(error));
}

std::string wrapped(std::string_view text, std::size_t width, std::size_t indent) {
    std::string out;
    std::size_t column = 0;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find_first_of(" \n"), text.size());
        const std::string_view word = text.substr(0, end);
        const auto is_continuation = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };  // of UTF-8
        const auto letters =
            word.size() - static_cast<std::size_t>(std::count_if(word.begin(), word.end(), is_continuation));
        if (column > 0 && column + 1 + letters > width) {
            out += '\n' + std::string(indent, ' ');
            column = 0;
        }
        if (column > 0) out += ' ';
        out += word;
        column += letters + (column > 0 ? 1 : 0);
        if (end < text.size() && text[end] == '\n') {
            out += '\n' + std::string(indent, ' ');
            column = 0;
        }
        text.remove_prefix(std::min(text.size(), end + 1));
    }
    return out;
}

void write_err(std::string_view text) noexcept { write_all(STDERR_FILENO, text); }

}  // namespace vitro
