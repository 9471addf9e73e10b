#include "backends/cpu/host_threads.h"

#include "backends/cpu/control_groups.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <optional>
#include <system_error>

namespace vitro {
namespace {

/// Two numbers in one file or in two; nothing where one of them is missing, or is a word ("max").
std::optional<double> ratio_in(const std::filesystem::path& quota_file, const std::filesystem::path& period_file) {
    std::ifstream quota(quota_file);
    double of = 0, by = 0;
    if (!(quota >> of)) return {};
    if (quota_file == period_file) {
        if (!(quota >> by)) return {};
    } else if (std::ifstream period(period_file); !(period >> by)) {
        return {};
    }
    return of > 0 && by > 0 ? std::optional(of / by) : std::nullopt;  // -1: no quota
}

int threads_of_affinity() {
    // More processors than a cpu_set_t has room for make the call fail with EINVAL.
    for (std::size_t processors = CPU_SETSIZE; processors <= std::size_t{1} << 20; processors *= 4) {
        const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(CPU_ALLOC(processors),
                                                                   [](cpu_set_t* s) { CPU_FREE(s); });
        const std::size_t bytes = CPU_ALLOC_SIZE(processors);
        if (set != nullptr && sched_getaffinity(0, bytes, set.get()) == 0) return CPU_COUNT_S(bytes, set.get());
    }
    return static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

int usable_threads(const std::filesystem::path& root) {
    double most = std::max(1, threads_of_affinity());
    each_control_group(root, "cpu", [&](const std::filesystem::path& group, bool is_v2) {
        const auto cores = is_v2 ? ratio_in(group / "cpu.max", group / "cpu.max")
                                 : ratio_in(group / "cpu.cfs_quota_us", group / "cpu.cfs_period_us");
        if (cores) most = std::min(most, *cores);
    });
    return std::max(1, static_cast<int>(std::ceil(most)));
}

std::vector<std::thread> start_threads(int count, const std::function<void(int)>& serve) {
    std::vector<std::thread> threads;
    threads.reserve(static_cast<std::size_t>(std::max(count, 0)));  // what throws below is starting alone
    try {
        for (int thread = 0; thread < count; ++thread) threads.emplace_back(serve, thread);
    } catch (const std::system_error&) {
    } catch (const std::bad_alloc&) {
    }
    return threads;
}

}  // namespace vitro
