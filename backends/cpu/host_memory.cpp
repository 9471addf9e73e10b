#include "backends/cpu/host_memory.h"

#include "backends/cpu/control_groups.h"

#include <algorithm>
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

    each_control_group(root, "memory", [&](const fs::path& at, bool is_v2) {
        if (is_v2)
            limit(memory, at / "memory.max", at / "memory.current", at / "memory.stat", "inactive_file");
        else
            limit(memory, at / "memory.limit_in_bytes", at / "memory.usage_in_bytes", at / "memory.stat",
                  "total_inactive_file");
    });
    return memory;
}

}  // namespace vitro
