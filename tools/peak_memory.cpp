#include "tools/peak_memory.h"

#include <fstream>
#include <string>

namespace vitro {

void reset_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

std::optional<double> peak_memory() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;)
        if (double kilobytes = 0; word == "VmHWM:" && status >> kilobytes) return 1024 * kilobytes;
    return std::nullopt;
}

}  // namespace vitro
