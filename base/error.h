// The one error type for everything a user or a file can get wrong, and the check for our own bugs.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace vitro {

/// A mistake in what was given to us: a file, a flag, a shape, a request. The text says what was expected, what was
/// found and where, on one line; tools print it after "error: " and exit with 1.
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Throws Error with a formatted message.
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
    throw Error(fmt::format(format, std::forward<Args>(args)...));
}

/// Reports a bug of vitro itself and aborts. Called by VITRO_CHECK only.
[[noreturn]] void check_failed(const char* condition, const char* file, int line, const std::string& message);

}  // namespace vitro

/// Holds in every correct build of vitro, whatever the input: `VITRO_CHECK(n <= capacity, "n = {}", n)`.
#define VITRO_CHECK(condition, ...) \
    (static_cast<bool>(condition)   \
         ? void(0)                  \
         : ::vitro::check_failed(#condition, __FILE__, __LINE__, ::fmt::format("" __VA_ARGS__)))
