// The one way to stdout and stderr. What cannot be written to stdout is an error; what cannot be written to stderr
// changes nothing.
#pragma once

#include <fmt/core.h>

#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace vitro {

/// Nobody reads stdout any more, as in `vitro graph | head`: no error, but the end of the program.
class ClosedPipe : public std::exception {
public:
    const char* what() const noexcept override { return "nobody reads the standard output any more"; }
};

/// Prepares both: descriptors 0 to 2 that the caller closed are taken, so that no file gets their numbers, and writing
/// to a closed pipe is reported instead of ending the program.
void prepare_output();

/// Text for stdout, gathered until there is much of it. Error when stdout cannot be written, ClosedPipe when nobody
/// reads it.
void write_out(std::string_view text);
/// Writes what was gathered.
void flush_out();

/// Text for stderr, at once. Failing to write it is ignored.
void write_err(std::string_view text) noexcept;

/// The text in lines of at most `width` characters where its words allow that; all lines but the first begin with
/// `indent` spaces. Lines that it has already stay lines.
std::string wrapped(std::string_view text, std::size_t width, std::size_t indent);

template <class... Args>
void print_out(fmt::format_string<Args...> format, Args&&... args) {
    write_out(fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
void print_err(fmt::format_string<Args...> format, Args&&... args) {
    write_err(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace vitro
