// The control groups that this process is in, whose limits hold for it.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

namespace vitro {

/// Calls visit(directory, is_v2) for the group of this process under version 2, and under version 1 for the one of
/// `controller` ("memory"), and for all groups above them: a group's limit holds for all below it. `root` is where proc
/// and sys are looked for.
inline void each_control_group(const std::filesystem::path& root, const std::string& controller,
                               const std::function<void(const std::filesystem::path&, bool)>& visit) {
    namespace fs = std::filesystem;
    std::ifstream groups(root / "proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {  // "4:cpu,cpuacct:/a/b", or "0::/a/b" of version 2
        const std::size_t first = line.find(':'), second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const bool is_v2 = controllers.empty();
        if (!is_v2 && ("," + controllers + ",").find("," + controller + ",") == std::string::npos) continue;
        const fs::path top = root / (is_v2 ? "sys/fs/cgroup" : "sys/fs/cgroup/" + controller);
        fs::path group = fs::path(line.substr(second + 1)).relative_path();
        for (;; group = group.parent_path()) {
            visit(top / group, is_v2);
            if (group.empty()) break;
        }
    }
}

}  // namespace vitro
