// What the emulation counts of kernels whose sectors and bank conflicts are known by hand.
#include "backends/emulation/access_counts.h"

#include "tests/backends/access_kernels.h"
#include "tests/backends/emulated_device.h"

namespace vitro::cuda_emulated {
namespace {

/// Counts of one launch of one warp; more where `how` says so.
template <class... Parameters, class... Arguments>
AccessCounts counts_of(void (*kernel)(Parameters...), Launch how, Arguments... arguments) {
    how.name = "counted";
    if (how.block.x == 1) how.block = 32;
    emulation::options().count_accesses = true;
    take_access_counts();
    launch(kernel, how, arguments...);
    const std::string fault = fault_of_queued();
    emulation::options().count_accesses = false;
    CHECK(fault == "");
    const std::vector<AccessCounts> counts = take_access_counts();
    REQUIRE(counts.size() == 1);
    CHECK(counts[0].kernel == "counted");
    CHECK(counts[0].launches == 1);
    return counts[0];
}

TEST_CASE("sectors of global memory: a strided kernel moves eight times what it asks for") {
    if (!accesses_checked()) return;
    const DeviceArray<float> x(random_values(4096, 1)), out(std::size_t{4096});
    const auto strided = [&](int stride, unsigned blocks) {
        return counts_of(copy_with_stride, {.grid = blocks}, x.data(), out.data(), stride);
    };
    AccessCounts counts = strided(1, 3);
    CHECK(counts.global_requests == 2 * 3);
    CHECK(counts.bytes == 2 * 3 * 128);
    CHECK(counts.sectors == 2 * 3 * 4);
    CHECK(counts.efficiency() == 1);
    counts = strided(8, 1);  // each lane reads a sector of its own
    CHECK(counts.sectors == 32 + 4);
    CHECK(counts.bytes == 2 * 128);
    CHECK(strided(2, 1).sectors == 8 + 4);
    CHECK(strided(64, 1).sectors == 32 + 4);
    // One element further, a warp touches one sector more.
    CHECK(counts_of(copy_with_stride, {}, x.data() + 1, out.data(), 1).sectors == 5 + 4);
}

TEST_CASE("vectors are one request; idle lanes ask for nothing; what all lanes want moves once") {
    if (!accesses_checked()) return;
    const DeviceArray<float> x(random_values(256, 1)), out(std::size_t{256});
    AccessCounts counts =
        counts_of(copy_vectors, {}, reinterpret_cast<const float4*>(x.data()), reinterpret_cast<float4*>(out.data()));
    CHECK(counts.global_requests == 2);
    CHECK(counts.sectors == 2 * 16);
    CHECK(counts.efficiency() == 1);
    counts = counts_of(copy_some_lanes, {}, x.data(), out.data(), 9);
    CHECK(counts.bytes == 2 * 36);
    CHECK(counts.sectors == 2 * 2);
    counts = counts_of(copy_first, {}, x.data(), out.data());
    CHECK(counts.bytes == 4 + 128);
    CHECK(counts.sectors == 1 + 4);
}

TEST_CASE("a loop is one request a turn: neighbours for each lane move more than neighbours for each turn") {
    if (!accesses_checked()) return;
    const DeviceArray<float> x(random_values(256, 1)), out(std::size_t{32});
    CHECK(counts_of(sum_eight, {}, x.data(), out.data(), true).sectors == 8 * 4 + 4);
    CHECK(counts_of(sum_eight, {}, x.data(), out.data(), false).sectors == 8 * 32 + 4);
}

TEST_CASE("bank conflicts of shared memory: a stride of 32 words makes 31, one of 33 none") {
    if (!accesses_checked()) return;
    const DeviceArray<float> out(std::size_t{128});
    const auto conflicts = [&](int stride) {
        const AccessCounts counts =
            counts_of(share_with_stride, {.shared_bytes = std::size_t(32 * stride) * 4}, out.data(), stride);
        CHECK(counts.shared_requests == 2);
        return counts.bank_conflicts;
    };
    CHECK(conflicts(1) == 0);
    CHECK(conflicts(2) == 2 * 1);
    CHECK(conflicts(32) == 2 * 31);
    CHECK(conflicts(33) == 0);
    const auto of_vectors = [&](int stride) {
        return counts_of(share_vectors, {.shared_bytes = std::size_t(32 * stride) * 16},
                         reinterpret_cast<float4*>(out.data()), stride)
            .bank_conflicts;
    };
    CHECK(of_vectors(1) == 0);          // a quarter of the warp at a time
    CHECK(of_vectors(2) == 2 * 4 * 1);  // of which two lanes then meet in each bank
    CHECK(of_vectors(8) == 2 * 4 * 7);
    CHECK(of_vectors(9) == 0);
}

TEST_CASE("atomic updates of one word wait for each other") {
    if (!accesses_checked()) return;
    const DeviceArray<int> out(std::size_t{1});
    CHECK(counts_of(add_to_one, {}, out.data()).bank_conflicts == 31);
}

TEST_CASE("ldmatrix and cp.async are counted: rows of 128 bytes conflict, of 144 do not") {
    if (!accesses_checked()) return;
    const DeviceArray<float> x(random_values(128, 1)), out(std::size_t{32});
    const auto counts = [&](int row_bytes) {
        return counts_of(load_padded_matrices, {.shared_bytes = std::size_t(32 * row_bytes)},
                         reinterpret_cast<const uint4*>(x.data()), reinterpret_cast<unsigned*>(out.data()), row_bytes);
    };
    CHECK(counts(144).bank_conflicts == 0);
    CHECK(counts(144).sectors == 16 + 4);
    CHECK(counts(144).shared_requests == 2);
    CHECK(counts(128).bank_conflicts == 2 * 4 * 7);
}

TEST_CASE("how a kernel was launched: its largest grid, and the most shared memory of any launch") {
    if (!accesses_checked()) return;
    const DeviceArray<float> out(std::size_t{128});
    take_access_counts();
    emulation::options().count_accesses = true;
    for (const auto& [blocks, bytes] : {std::pair(2u, 256u), std::pair(3u, 128u), std::pair(1u, 192u)})
        CHECK(fault_of(share_with_stride, {.name = "share", .grid = {1, blocks}, .block = 32, .shared_bytes = bytes},
                       out.data(), 1) == "");
    CHECK(fault_of(add_to_one, {.name = "add", .block = 32}, reinterpret_cast<int*>(out.data())) == "");
    emulation::options().count_accesses = false;
    const std::vector<AccessCounts> counts = take_access_counts();
    REQUIRE(counts.size() == 2);
    CHECK(counts[0].size.grid == std::array{1u, 3u, 1u});
    CHECK(counts[0].size.block == 32);
    CHECK(counts[0].size.dynamic_shared == 256);
    CHECK(counts[0].size.static_shared == 0);
    CHECK_FALSE(counts[0].size.programmatic);
    CHECK(counts[1].size.static_shared == 4);
    CHECK(counts[1].size.dynamic_shared == 0);
}

TEST_CASE("nothing is counted unless asked for; several blocks add up; kernels keep the order of their launches") {
    if (!accesses_checked()) return;
    const DeviceArray<float> x(random_values(256, 1)), out(std::size_t{256});
    take_access_counts();
    CHECK(fault_of(copy_first, {.name = "uncounted", .block = 32}, x.data(), out.data()) == "");
    CHECK(take_access_counts().empty());
    emulation::options().count_accesses = true;
    for (const char* name : {"second", "first", "second"})
        CHECK(fault_of(copy_first, {.name = name, .grid = 2, .block = 32}, x.data(), out.data()) == "");
    emulation::options().count_accesses = false;
    const std::vector<AccessCounts> counts = take_access_counts();
    REQUIRE(counts.size() == 2);
    CHECK(counts[0].kernel == "second");
    CHECK(counts[0].launches == 2);
    CHECK(counts[0].sectors == 2 * 2 * 5);
    CHECK(counts[1].sectors == 2 * 5);
}

}  // namespace
}  // namespace vitro::cuda_emulated
