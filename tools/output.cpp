#include "tools/output.h"

#include "base/error.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

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
    for (const auto [descriptor, mode] :
         {std::pair{STDIN_FILENO, O_WRONLY}, std::pair{STDOUT_FILENO, O_RDONLY}, std::pair{STDERR_FILENO, O_RDONLY}})
        if (::fcntl(descriptor, F_GETFD) < 0 && ::open("/dev/null", mode) < 0) return;  // the lowest free number
    std::signal(SIGPIPE, SIG_IGN);
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

void write_err(std::string_view text) noexcept { write_all(STDERR_FILENO, text); }

}  // namespace vitro
