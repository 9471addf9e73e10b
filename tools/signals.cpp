#include "tools/signals.h"

#include "frontend/file.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>

namespace vitro {

std::atomic<bool> interrupted{false}, resized{false};

namespace {

const int wake_up = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

void tell(std::atomic<bool>& flag) {
    const int error = errno;
    flag = true;
    const std::uint64_t one = 1;
    if (::write(wake_up, &one, sizeof one) < 0) errno = EAGAIN;  // it is set already
    errno = error;
}

void install(int signal, void (*handler)(int, siginfo_t*, void*), int flags) {
    struct sigaction action {};
    action.sa_sigaction = handler;
    action.sa_flags = flags | SA_SIGINFO;
    sigaction(signal, &action, nullptr);
}

void say(const char* text) {
    if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) return;  // nothing can be done about it
}

termios terminal_before;
std::atomic<const char*> terminal_last{nullptr};  // null: no terminal is guarded

void restore_terminal() {
    const char* last = terminal_last.exchange(nullptr);
    if (last == nullptr || ::tcgetpgrp(STDIN_FILENO) != ::getpgrp()) return;  // in the background it is another's
    ::tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
    pollfd shown{STDERR_FILENO, POLLOUT, 0};
    if (::poll(&shown, 1, 0) > 0) say(last);  // a terminal held by Ctrl-S would not take it
}

/// The handler is gone when it runs (SA_RESETHAND), so that raising the signal again does what it usually does.
void end(int signal, siginfo_t*, void*) {
    remove_unfinished_files();
    restore_terminal();
    raise(signal);
}

/// Several threads may meet a lost page at once: the first one tells, the others wait for the end.
void lost_page(int signal, siginfo_t* info, void*) {
    static std::atomic_flag is_told;
    const char* path = mapped_file_at(info->si_addr);
    if (path == nullptr) {
        std::signal(signal, SIG_DFL);
        return end(signal, info, nullptr);
    }
    while (is_told.test_and_set()) ::pause();
    say("error: ");
    say(path);
    say(": cannot be read any more: it was shortened, or its disk failed, while it was in use\n");
    remove_unfinished_files();
    ::_exit(1);
}

}  // namespace

void catch_interrupt() {
    install(
        SIGINT, [](int, siginfo_t*, void*) { tell(interrupted); }, static_cast<int>(SA_RESETHAND));
}

void catch_resize() {
    install(
        SIGWINCH, [](int, siginfo_t*, void*) { tell(resized); }, 0);
}

int wake_up_descriptor() { return wake_up; }

void forget_wake_up() {
    std::uint64_t count = 0;
    if (::read(wake_up, &count, sizeof count) < 0) return;  // it was not set
}

void guard_terminal(const char* last) {
    if (::tcgetattr(STDIN_FILENO, &terminal_before) == 0) terminal_last = last;
}

void guard_files() {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction before {};
        sigaction(signal, nullptr, &before);
        if (before.sa_handler != SIG_IGN) install(signal, end, static_cast<int>(SA_RESETHAND));  // nohup ignores SIGHUP
    }
    install(SIGBUS, lost_page, 0);
}

}  // namespace vitro
