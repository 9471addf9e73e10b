#include "tools/graphviz.h"

#include "base/error.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

namespace vitro {
namespace {

/// A file that is there as long as the object. `dot` reads it, so that no pipe has to be fed and emptied at once.
class TemporaryFile {
public:
    explicit TemporaryFile(const std::string& text) : path_(std::filesystem::temp_directory_path() / "vitro-XXXXXX") {
        const int descriptor = mkstemp(path_.data());
        if (descriptor < 0) fail("{}: cannot be created", path_);
        std::FILE* file = fdopen(descriptor, "wb");
        const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
        if (std::fclose(file) != 0 || !written) fail("{}: cannot be written", path_);
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    ~TemporaryFile() { unlink(path_.c_str()); }

    const std::string& path() const { return path_; }

private:
    std::string path_;
};

}  // namespace

std::string svg_of(const std::string& source) {
    const TemporaryFile file(source);
    std::FILE* out = popen(fmt::format("dot -Tsvg '{}' 2>/dev/null", file.path()).c_str(), "r");
    if (out == nullptr) fail("dot cannot be started");
    std::string svg;
    char buffer[1 << 16];
    for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, out)) > 0;) svg.append(buffer, n);
    const int status = pclose(out);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        fail("--format svg is drawn by Graphviz' program dot, which is not installed (Debian: graphviz)");
    if (status != 0) fail("dot failed with status {}", WEXITSTATUS(status));
    return svg;
}

}  // namespace vitro
