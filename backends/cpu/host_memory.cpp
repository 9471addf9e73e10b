#include "backends/cpu/host_memory.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace vitro {
namespace {

namespace fs = std::filesystem;

/// The number after `key` in a file of lines "key number"; with an empty key the file's first number.
std::optional<std::size_t> number_in(const fs::path& file, const std::string& key) {
    std::ifstream in(file);
    for (std::string word; in >> word;) {
        if (key.empty()) {
            in.clear();
            return word.find_first_not_of("0123456789") == std::string::npos && word.size() < 19
                       ? std::optional<std::size_t>(std::stoull(word))
                       : std::nullopt;  // "max"
        }
        std::size_t number = 0;
        if (word == key && in >> number) return number;
    }
    return std::nullopt;
}

/// Lowers `memory` to what one group's limit leaves.
void limit(HostMemory& memory, const fs::path& limit_file, const fs::path& usage_file, const fs::path& stat_file,
           const std::string& cached_key) {
    const auto most = number_in(limit_file, "");
    if (!most) return;
    const std::size_t used = number_in(usage_file, "").value_or(0),
                      cached = number_in(stat_file, cached_key).value_or(0);
    const std::size_t kept = used - std::min(used, cached);
    memory.total_bytes = std::min(memory.total_bytes, *most);
    memory.free_bytes = std::min(memory.free_bytes, *most - std::min(*most, kept));
}

}  // namespace

std::optional<HostMemory> host_memory(const fs::path& root) {
    const auto total = number_in(root / "proc/meminfo", "MemTotal:"),
               free = number_in(root / "proc/meminfo", "MemAvailable:");
    if (!total || !free) return std::nullopt;
    HostMemory memory{*free * 1024, *total * 1024};

    std::ifstream groups(root / "proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {  // "4:memory:/a/b", or "0::/a/b" of version 2
        const std::size_t first = line.find(':'), second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const bool is_v2 = controllers.empty();
        if (!is_v2 && controllers != "memory") continue;
        const fs::path top = root / (is_v2 ? "sys/fs/cgroup" : "sys/fs/cgroup/memory");
        fs::path group = fs::path(line.substr(second + 1)).relative_path();
        for (;; group = group.parent_path()) {  // a group's limit holds for all below it
            const fs::path at = top / group;
            if (is_v2)
                limit(memory, at / "memory.max", at / "memory.current", at / "memory.stat", "inactive_file");
            else
                limit(memory, at / "memory.limit_in_bytes", at / "memory.usage_in_bytes", at / "memory.stat",
                      "total_inactive_file");
            if (group.empty()) break;
        }
    }
    return memory;
}

}  // namespace vitro
