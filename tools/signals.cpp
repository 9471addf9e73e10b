#include "tools/signals.h"

#include "frontend/file.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>

namespace vitro {

std::atomic<bool> interrupted{false};

namespace {

void install(int signal, void (*handler)(int, siginfo_t*, void*), int flags) {
    struct sigaction action {};
    action.sa_sigaction = handler;
    action.sa_flags = flags | SA_SIGINFO;
    sigaction(signal, &action, nullptr);
}

/// The handler is gone when it runs (SA_RESETHAND), so that raising the signal again does what it usually does.
void end(int signal, siginfo_t*, void*) {
    remove_unfinished_files();
    raise(signal);
}

void say(const char* text) {
    if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) return;  // nothing can be done about it
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
        SIGINT, [](int, siginfo_t*, void*) { interrupted = true; }, static_cast<int>(SA_RESETHAND));
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
