// Messages that somebody types or pipes in.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

// As in histedit.h.
struct editline;
struct history;

namespace vitro {

/// From a terminal with editing and history, else plainly from stdin. A line that ends with a backslash goes on in the
/// next one, and what a terminal pastes is one message however many lines it has. Ctrl-C clears what was typed.
class LineReader {
public:
    /// `history_file` keeps what was typed between sessions; empty: nothing does. A file that cannot be used is no
    /// error.
    explicit LineReader(std::filesystem::path history_file);
    LineReader(const LineReader&) = delete;
    LineReader& operator=(const LineReader&) = delete;
    ~LineReader();

    bool is_terminal() const { return edit_ != nullptr; }

    /// The next message, without the newline at its end; nothing at the end of the input (Ctrl-D).
    std::optional<std::string> next();

private:
    friend struct LineReaderCommands;

    std::optional<std::string> next_line();
    void remember(const std::string& message);

    std::filesystem::path history_file_;
    editline* edit_ = nullptr;
    history* history_ = nullptr;
    bool is_continued_ = false;  // the prompt says so
    bool is_cleared_ = false;    // by Ctrl-C
    bool has_brackets_ = false;  // the terminal marks what it pastes
};

/// Where `vitro chat` keeps its history: $XDG_STATE_HOME/vitro/chat_history, by default below ~/.local/state. Empty
/// where neither is set.
std::filesystem::path chat_history_file();

}  // namespace vitro
