#include "backends/cpu/host_memory.h"

#include "backends/cpu/cpu_backend.h"
#include "tests/frontend/temp_dir.h"

#include <doctest/doctest.h>

namespace vitro::test {
namespace {

/// A machine of 8 GiB, 6 of them free.
struct Machine {
    TempDir root;
    Machine() { write("proc/meminfo", "MemTotal:        8388608 kB\nMemFree: 1 kB\nMemAvailable:    6291456 kB\n"); }
    void write(const std::string& file, const std::string& text) {
        std::filesystem::create_directories((root / file).parent_path());
        write_bytes(root / file, text);
    }
};

constexpr std::size_t kGiB = std::size_t{1} << 30;

TEST_CASE("without control groups a process may have what the machine has") {
    Machine machine;
    CHECK(host_memory(machine.root.path())->total_bytes == 8 * kGiB);
    CHECK(host_memory(machine.root.path())->free_bytes == 6 * kGiB);
    machine.write("proc/self/cgroup", "0::/a/b\n");
    machine.write("sys/fs/cgroup/a/b/memory.max", "max\n");
    CHECK(host_memory(machine.root.path())->free_bytes == 6 * kGiB);
}

TEST_CASE("the tightest limit of the groups above counts; what caches files is free") {
    Machine machine;
    machine.write("proc/self/cgroup", "0::/a/b\n");
    machine.write("sys/fs/cgroup/a/memory.max", "4294967296\n");
    machine.write("sys/fs/cgroup/a/memory.current", "3221225472\n");
    machine.write("sys/fs/cgroup/a/memory.stat", "anon 5\ninactive_file 2147483648\n");
    machine.write("sys/fs/cgroup/a/b/memory.max", "max\n");
    CHECK(host_memory(machine.root.path())->total_bytes == 4 * kGiB);
    CHECK(host_memory(machine.root.path())->free_bytes == 3 * kGiB);
    machine.write("sys/fs/cgroup/a/b/memory.max", "1073741824\n");
    machine.write("sys/fs/cgroup/a/b/memory.current", "9999999999\n");  // over its limit: nothing is left
    CHECK(host_memory(machine.root.path())->total_bytes == kGiB);
    CHECK(host_memory(machine.root.path())->free_bytes == 0);
}

TEST_CASE("limits of version 1 count, too") {
    Machine machine;
    machine.write("proc/self/cgroup", "5:cpu:/x\n4:memory:/jobs/7\n");
    machine.write("sys/fs/cgroup/memory/jobs/7/memory.limit_in_bytes", "2147483648\n");
    machine.write("sys/fs/cgroup/memory/jobs/7/memory.usage_in_bytes", "1073741824\n");
    machine.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");  // none
    CHECK(host_memory(machine.root.path())->total_bytes == 2 * kGiB);
    CHECK(host_memory(machine.root.path())->free_bytes == kGiB);
}

TEST_CASE("where there is no meminfo nothing is known; here there is, and the backend counts what it gives") {
    CHECK_FALSE(host_memory("nowhere").has_value());
    CpuBackend backend(1);
    REQUIRE(backend.free_bytes().has_value());
    CHECK(*backend.free_bytes() > 0);
    CHECK(*backend.free_bytes() <= *backend.total_bytes());
    const Buffer one = backend.allocate(100, "a"), two = backend.allocate(28, "b");
    CHECK(backend.allocated_bytes() == 128);
}

}  // namespace
}  // namespace vitro::test
