// What the fuzz targets share. A target hands its bytes to the code that reads them from a file of a user; whatever
// they are, the outcome is a value or a vitro::Error. All else ends the process: a sanitizer's finding, a VITRO_CHECK,
// another exception, ten seconds.
#pragma once

#include "base/error.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <unistd.h>

namespace vitro::fuzz {

/// Runs `body`; an Error is one of the two good ends.
template <class Body>
void expect_value_or_error(Body&& body) {
    try {
        body();
    } catch (const Error& error) {
        // One line, as the tools print it.
        if (std::string_view(error.what()).find('\n') != std::string_view::npos) {
            std::fprintf(stderr, "an error of more than one line: %s\n", error.what());
            std::abort();
        }
    }
}

/// Ends the process with a finding where `holds` is false.
inline void require(bool holds, const std::string& what, const std::string& text = {}) {
    if (holds) return;
    std::fprintf(stderr, "%s\n%s\n", what.c_str(), text.c_str());
    std::abort();
}

/// A directory of this process' own, in memory where there is such a file system; it is gone at the end.
class Directory {
public:
    Directory() : path_(parent() / ("vitro-fuzz-" + std::to_string(getpid()))) {
        std::filesystem::create_directories(path_);
    }
    ~Directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;

    const std::filesystem::path& path() const { return path_; }
    void write(std::string_view file, std::string_view bytes) const {
        std::ofstream(path_ / file, std::ios::binary) << bytes;
    }

private:
    static std::filesystem::path parent() {
        return std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path();
    }
    std::filesystem::path path_;
};

}  // namespace vitro::fuzz
