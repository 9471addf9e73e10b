#include "tools/graphviz.h"

#include "base/error.h"

#include <sys/wait.h>

#include <cstdio>
#include <memory>

namespace vitro {

std::string svg_of(const std::string& source) {
    // `dot` reads a file, which it inherits, so that no pipe has to be fed and emptied at once.
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), &std::fclose);
    if (file == nullptr || std::fwrite(source.data(), 1, source.size(), file.get()) != source.size() ||
        std::fflush(file.get()) != 0 || std::fseek(file.get(), 0, SEEK_SET) != 0)
        fail("a temporary file cannot be written");
    std::FILE* out = popen(fmt::format("dot -Tsvg <&{} 2>/dev/null", fileno(file.get())).c_str(), "r");
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
