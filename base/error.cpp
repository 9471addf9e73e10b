#include "base/error.h"

#include <cstdio>
#include <cstdlib>

namespace vitro {

void check_failed(const char* condition, const char* file, int line, const std::string& message) {
    fmt::print(stderr, "vitro bug: {} does not hold at {}:{}{}{}\n", condition, file, line, message.empty() ? "" : ": ",
               message);
    std::abort();
}

}  // namespace vitro
