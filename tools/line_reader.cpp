#include "tools/line_reader.h"

#include "base/error.h"
#include "tools/output.h"
#include "tools/signals.h"

#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <cwchar>
#include <iostream>

namespace vitro {

/// What libedit calls.
struct LineReaderCommands {
    static LineReader& reader_of(EditLine* edit) {
        void* data = nullptr;
        el_get(edit, EL_CLIENTDATA, &data);
        return *static_cast<LineReader*>(data);
    }

    static const char* prompt(EditLine* edit) { return reader_of(edit).is_continued_ ? ". " : "> "; }

    static unsigned char clear(EditLine* edit, int) {
        reader_of(edit).is_cleared_ = true;
        const LineInfo* line = el_line(edit);
        el_cursor(edit, static_cast<int>(line->lastchar - line->cursor));
        write_err("^C\r\n");
        return CC_NEWLINE;
    }

    static unsigned char suspend(EditLine* edit, int) {
        el_set(edit, EL_PREP_TERM, 0);
        std::raise(SIGTSTP);
        el_set(edit, EL_PREP_TERM, 1);
        return CC_REDISPLAY;
    }

    /// The next byte that is typed; false at the end and when SIGINT came, at whatever moment.
    static bool read_byte(EditLine* edit, char& byte) {
        for (;;) {
            if (resized.exchange(false)) {
                el_resize(edit);
                el_set(edit, EL_REFRESH);
            }
            if (interrupted) return false;
            pollfd waits[] = {{STDIN_FILENO, POLLIN, 0}, {wake_up_descriptor(), POLLIN, 0}};
            if (::poll(waits, 2, -1) < 0 && errno != EINTR) return false;
            if (waits[1].revents != 0) {
                forget_wake_up();
                continue;
            }
            if (waits[0].revents == 0) continue;
            const ssize_t count = ::read(STDIN_FILENO, &byte, 1);
            if (count > 0) return true;
            if (count == 0 || (errno != EINTR && errno != EAGAIN)) return false;
        }
    }

    /// The next character; bytes that are none are left out.
    static int read_key(EditLine* edit, wchar_t* key) {
        std::mbstate_t state{};
        char byte = 0;
        while (read_byte(edit, byte)) {
            const std::size_t length = std::mbrtowc(key, &byte, 1, &state);
            if (length <= 1) return 1;
            if (length == static_cast<std::size_t>(-1)) state = {};
        }
        return interrupted ? -1 : 0;
    }

    /// Inserts all up to the closing bracket, newlines too.
    static unsigned char paste(EditLine* edit, int) {
        constexpr std::wstring_view kEnd = L"\033[201~";
        std::wstring text;
        wchar_t c = 0;
        while (!text.ends_with(kEnd)) {
            if (el_wgetc(edit, &c) != 1) return CC_EOF;
            text += c == L'\r' ? L'\n' : c;
        }
        text.resize(text.size() - kEnd.size());
        while (text.ends_with(L'\n')) text.pop_back();
        if (!text.empty() && el_winsertstr(edit, text.c_str()) != 0) return CC_ERROR;
        return CC_REFRESH;
    }
};

namespace {

/// Characters are those of the user's locale, or of UTF-8 where that knows only ASCII.
void use_utf8() {
    std::setlocale(LC_CTYPE, "");
    if (std::string_view(nl_langinfo(CODESET)) != "UTF-8") std::setlocale(LC_CTYPE, "C.UTF-8");
}

// What makes a terminal mark what it pastes, and what ends that.
constexpr const char *kBrackets = "\033[?2004h", *kNoBrackets = "\033[?2004l";

bool is_dumb_terminal() {
    const char* terminal = std::getenv("TERM");
    return terminal == nullptr || std::string_view(terminal) == "dumb" || std::string_view(terminal).empty();
}

}  // namespace

std::filesystem::path chat_history_file() {
    const char *state = std::getenv("XDG_STATE_HOME"), *home = std::getenv("HOME");
    if (state != nullptr && *state == '/') return std::filesystem::path(state) / "vitro/chat_history";
    if (home != nullptr && *home == '/') return std::filesystem::path(home) / ".local/state/vitro/chat_history";
    return {};
}

LineReader::LineReader(std::filesystem::path history_file) : history_file_(std::move(history_file)) {
    if (isatty(STDIN_FILENO) == 0) return;
    use_utf8();
    has_brackets_ = !is_dumb_terminal();
    guard_terminal(has_brackets_ ? kNoBrackets : "");
    edit_ = el_init("vitro", stdin, stderr, stderr);
    history_ = history_init();
    if (edit_ == nullptr || history_ == nullptr) fail("the terminal does not work with libedit");
    HistEvent event;
    ::history(history_, &event, H_SETSIZE, 1000);
    ::history(history_, &event, H_SETUNIQUE, 1);
    if (!history_file_.empty()) ::history(history_, &event, H_LOAD, history_file_.c_str());
    el_set(edit_, EL_CLIENTDATA, this);
    el_set(edit_, EL_PROMPT, LineReaderCommands::prompt);
    el_set(edit_, EL_EDITOR, "emacs");
    el_set(edit_, EL_HIST, ::history, history_);
    el_set(edit_, EL_GETCFN, LineReaderCommands::read_key);
    el_set(edit_, EL_SETTY, "-d", "-isig", nullptr);  // while a line is edited, Ctrl-C is a key
    el_set(edit_, EL_ADDFN, "vitro-clear", "clear the message", LineReaderCommands::clear);
    el_set(edit_, EL_ADDFN, "vitro-suspend", "stop, until fg", LineReaderCommands::suspend);
    el_set(edit_, EL_ADDFN, "vitro-paste", "insert what is pasted", LineReaderCommands::paste);
    el_set(edit_, EL_BIND, "^C", "vitro-clear", nullptr);
    el_set(edit_, EL_BIND, "^Z", "vitro-suspend", nullptr);
    el_set(edit_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    el_set(edit_, EL_BIND, "\\e[200~", "vitro-paste", nullptr);
}

LineReader::~LineReader() {
    if (edit_ != nullptr) el_end(edit_);
    if (history_ != nullptr) history_end(history_);
}

std::optional<std::string> LineReader::next_line() {
    std::string line;
    if (edit_ == nullptr) {
        if (!std::getline(std::cin, line)) return std::nullopt;
        if (line.ends_with('\r')) line.pop_back();
        return line;
    }
    is_cleared_ = false;
    interrupted = false;
    catch_interrupt();  // one that is sent, not typed
    catch_resize();
    el_set(edit_, EL_PREP_TERM, 1);  // before the prompt: what is typed as soon as it is seen must be keys already
    if (has_brackets_) write_err(kBrackets);
    int length = 0;
    const char* text = el_gets(edit_, &length);
    if (has_brackets_) write_err(kNoBrackets);
    if (text == nullptr && interrupted) {
        is_cleared_ = true;
        write_err("\n");
    }
    if (is_cleared_) return "";
    if (text == nullptr || length <= 0) {
        write_err("\n");
        return std::nullopt;
    }
    line.assign(text, static_cast<std::size_t>(length));
    if (line.ends_with('\n')) line.pop_back();
    return line;
}

void LineReader::remember(const std::string& message) {
    if (edit_ == nullptr || message.empty()) return;
    HistEvent event;
    ::history(history_, &event, H_ENTER, message.c_str());
    if (history_file_.empty()) return;
    std::error_code ignored;
    std::filesystem::create_directories(history_file_.parent_path(), ignored);
    const mode_t mask = ::umask(077);  // what is said is nobody else's business
    ::history(history_, &event, H_SAVE, history_file_.c_str());
    ::umask(mask);
}

std::optional<std::string> LineReader::next() {
    std::string message;
    is_continued_ = false;
    for (;;) {
        std::optional<std::string> line = next_line();
        if (is_cleared_) {
            message.clear();
            is_continued_ = false;
            continue;
        }
        if (!line && !is_continued_) return std::nullopt;
        const bool goes_on = line && line->ends_with('\\');
        if (goes_on) line->back() = '\n';
        if (line) message += *line;
        is_continued_ = goes_on;
        if (goes_on) continue;
        remember(message);
        return message;
    }
}

}  // namespace vitro
