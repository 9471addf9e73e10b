// A program at a terminal of its own, which a test types at.
#pragma once

#include <sys/types.h>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vitro::test {

class PtyProcess {
public:
    using Environment = std::vector<std::pair<std::string, std::string>>;

    /// `vitro` with these arguments; the environment has TERM=xterm, no locale, and what is given.
    explicit PtyProcess(std::vector<std::string> arguments, const Environment& environment = {});
    PtyProcess(const PtyProcess&) = delete;
    PtyProcess& operator=(const PtyProcess&) = delete;
    ~PtyProcess();  // kills it, should it still run

    pid_t pid() const { return pid_; }
    /// Whether the terminal is as a shell wants it: it shows what is typed, and hands over lines.
    bool is_plain() const;
    void type(std::string_view keys) const;
    /// Waits, at most a minute, until the terminal shows `text` behind what earlier calls waited for; whether it does.
    bool shows(std::string_view text);
    /// Waits for the end, at most a minute; exit code, or -signal.
    int finish();
    /// All that was shown.
    const std::string& screen() const { return screen_; }

private:
    bool read_more(std::chrono::steady_clock::time_point deadline);

    pid_t pid_ = -1;
    int terminal_ = -1;
    std::string screen_;
    std::size_t seen_ = 0;
};

}  // namespace vitro::test
