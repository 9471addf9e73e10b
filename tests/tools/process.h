// Runs the real binary and keeps what it says.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitro::test {

struct ProcessResult {
    int exit_code = -1;  // -signal when a signal ended it
    std::string out;     // stdout
    std::string err;     // stderr
};

struct ProcessOptions {
    std::string input;                                   // stdin
    bool interrupt_after_output = false;                 // sends SIGINT when the first byte stands on stdout
    std::optional<std::chrono::milliseconds> interrupt;  // sends SIGINT after this time
};

/// A program, found as a shell finds it, with its arguments; exit code 127 where there is none. Kills it after two
/// minutes.
ProcessResult run_program(std::vector<std::string> words, const ProcessOptions& options = {});
/// `vitro` with these arguments.
ProcessResult run_vitro(const std::vector<std::string>& arguments, const ProcessOptions& options = {});

/// Checks the contract of a failure: exit code 1, nothing on stdout, one line "error: …" that contains all `parts`.
void check_error(const ProcessResult& result, const std::vector<std::string>& parts);

/// Checks that the command went well and said nothing on stderr that begins with "error".
void check_success(const ProcessResult& result);

/// What `vitro` with these arguments says on stdout; checks that it went well.
std::string out_of(const std::vector<std::string>& arguments);

/// How often `part` stands in `text`, and whether it does.
std::size_t count(std::string_view text, std::string_view part);
inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace vitro::test
