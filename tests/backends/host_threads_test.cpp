#include "backends/cpu/host_threads.h"

#include "backends/cpu/cpu_backend.h"
#include "tests/frontend/temp_dir.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/resource.h>

#include <atomic>
#include <fstream>

namespace vitro::test {
namespace {

struct Machine {
    TempDir root;
    void write(const std::string& file, const std::string& text) {
        std::filesystem::create_directories((root / file).parent_path());
        write_bytes(root / file, text);
    }
    int threads() const { return usable_threads(root.path()); }
};

/// Runs on one processor alone for as long as it lives.
struct OneProcessor {
    cpu_set_t before;
    OneProcessor() {
        sched_getaffinity(0, sizeof before, &before);
        cpu_set_t one;
        CPU_ZERO(&one);
        for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i)
            if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
        sched_setaffinity(0, sizeof one, &one);
    }
    ~OneProcessor() { sched_setaffinity(0, sizeof before, &before); }
};

TEST_CASE("without quotas there is a thread for each processor of the affinity") {
    const Machine machine;
    CHECK(machine.threads() >= 1);
    const OneProcessor one;
    CHECK(machine.threads() == 1);
    CHECK(CpuBackend().pool().threads() == 1);
}

TEST_CASE("the tightest CPU quota of the groups above counts, rounded up") {
    Machine machine;
    const int all = machine.threads();
    machine.write("proc/self/cgroup", "0::/a/b\n");
    machine.write("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    CHECK(machine.threads() == all);
    machine.write("sys/fs/cgroup/a/cpu.max", "50000 100000\n");
    CHECK(machine.threads() == 1);
    machine.write("sys/fs/cgroup/a/cpu.max", "110000 100000\n");
    CHECK(machine.threads() == std::min(all, 2));
    machine.write("sys/fs/cgroup/a/b/cpu.max", "1000 100000\n");
    CHECK(machine.threads() == 1);
    machine.write("sys/fs/cgroup/a/b/cpu.max", "nonsense\n");
    CHECK(machine.threads() == std::min(all, 2));
}

TEST_CASE("quotas of version 1 count, wherever the cpu controller stands in its list") {
    Machine machine;
    const int all = machine.threads();
    machine.write("proc/self/cgroup", "4:memory:/x\n3:cpuset:/x\n2:cpu,cpuacct:/jobs/7\n");
    machine.write("sys/fs/cgroup/cpu/jobs/7/cpu.cfs_quota_us", "-1\n");
    machine.write("sys/fs/cgroup/cpu/jobs/7/cpu.cfs_period_us", "100000\n");
    CHECK(machine.threads() == all);
    machine.write("sys/fs/cgroup/cpu/jobs/7/cpu.cfs_quota_us", "50000\n");
    CHECK(machine.threads() == 1);
}

TEST_CASE("where the system lets no more threads start there are fewer, and the work is done") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    MESSAGE("skipped: a sanitizer reserves more addresses than may be taken away here");
    return;
#endif
    rlimit before{};
    getrlimit(RLIMIT_AS, &before);
    // A thread's stack takes address space; two hundred of them more than the rest of what is allowed here.
    std::size_t used_pages = 0;
    std::ifstream("/proc/self/statm") >> used_pages;
    const rlimit tight{used_pages * 4096 + (std::size_t{256} << 20), before.rlim_max};
    setrlimit(RLIMIT_AS, &tight);
    int threads = 0;
    std::atomic<std::int64_t> sum{0};
    {
        ThreadPool pool(200);
        threads = pool.threads();
        pool.parallel_for(1000, 1, [&](std::int64_t begin, std::int64_t end, int) { sum += end - begin; });
    }
    setrlimit(RLIMIT_AS, &before);
    CHECK(threads < 200);
    CHECK(sum == 1000);
}

}  // namespace
}  // namespace vitro::test
