// Barriers in shared memory, bulk copies and products of four warps, in the emulation: they compute the right thing,
// and each kind of mistake is found.
#include "tests/backends/emulated_device.h"
#include "tests/backends/hopper_kernels.h"

#include <doctest/doctest.h>

using namespace vitro;
using namespace vitro::cuda_emulated;

namespace {

constexpr int kTiles = 5;
const Launch kRing{
    .name = "ring", .grid = 1, .block = kRingTile, .shared_bytes = kRingStages * kRingTile * sizeof(float)};

template <RingMistake kMistake>
std::string fault_of_ring() {
    const DeviceArray<float> x{random_values(std::size_t(kTiles + 1) * kRingTile, 1)}, out{std::size_t(kRingTile)};
    return fault_of(sum_through_ring<kMistake>, kRing, x.data(), out.data(), kTiles);
}

constexpr int kDepth = 2 * kGroupDepth;
const Launch kGroup{.name = "group", .grid = 1, .block = 128, .shared_bytes = 18 * 1024};

template <class T>
std::vector<T> halves(std::size_t count, std::uint64_t seed) {
    std::vector<T> out;
    for (const float value : random_values(count, seed)) out.push_back(T(value));
    return out;
}

template <class T, int kColumns, Swizzle kSwizzle, bool kColumnByColumn, GroupMistake kMistake = GroupMistake::none>
std::string fault_of_group(bool& is_right, Launch how = kGroup) {
    const auto a = halves<T>(64 * kDepth, 2), b = halves<T>(kColumns * kDepth, 3);
    const DeviceArray<T> on_a{a}, on_b{b};
    const DeviceArray<float> c{std::size_t{64 * kColumns}};
    const std::string fault = fault_of(multiply_by_group<T, kColumns, kSwizzle, kColumnByColumn, kMistake>, how,
                                       on_a.data(), on_b.data(), c.data(), kDepth);
    const std::vector<float> found = c.host();
    is_right = true;
    for (int row = 0; row < 64; ++row)
        for (int column = 0; column < kColumns; ++column) {
            float sum = 0.0f;
            for (int k = 0; k < kDepth; ++k)
                sum += float(a[std::size_t(row * kDepth + k)]) *
                       float(b[std::size_t(kColumnByColumn ? k * kColumns + column : column * kDepth + k)]);
            is_right = is_right && std::abs(found[std::size_t(row * kColumns + column)] - sum) < 1e-3f;
        }
    return fault;
}

/// Of a product whose b lies row by row, or column by column.
template <GroupMistake kMistake, bool kColumnByColumn = false>
std::string fault_of_mistake(bool& is_right, Launch how = kGroup) {
    return fault_of_group<__nv_bfloat16, 64, Swizzle::rows_of_128, kColumnByColumn, kMistake>(is_right, how);
}

template <RegisterMistake kMistake>
std::string fault_of_registers() {
    return fault_of(share_registers<kMistake>, {.name = "registers", .grid = 1, .block = 384});
}

}  // namespace

TEST_CASE("emulation: tiles that the copy engine brings through a ring of barriers") {
    const std::vector<float> x = random_values(std::size_t{kTiles} * kRingTile, 1);
    const DeviceArray<float> on_device{x}, out{std::size_t(kRingTile)};
    CHECK(fault_of(sum_through_ring<RingMistake::none>, kRing, on_device.data(), out.data(), kTiles) == "");
    std::vector<float> expected(kRingTile);
    for (std::size_t i = 0; i < x.size(); ++i) expected[i % kRingTile] += x[i];
    CHECK(out.host() == expected);
}

TEST_CASE("emulation: planted mistakes with barriers in shared memory and bulk copies") {
    CHECK_HAS(fault_of_ring<RingMistake::odd_size>(), "not a multiple of 16");
    CHECK_HAS(fault_of_ring<RingMistake::expects_too_little>(), "waits forever at wait_for_phase");
    CHECK_HAS(fault_of_ring<RingMistake::leaves_a_copy>(), "ends while a copy_bulk is on its way");
    if (!accesses_checked()) return;
    CHECK_HAS(fault_of_ring<RingMistake::barriers_not_ready>(), "race");
    CHECK_HAS(fault_of_ring<RingMistake::no_wait_for_full>(), "missing cp_async_wait or wait_for_phase");
    CHECK_HAS(fault_of_ring<RingMistake::wrong_parity>(), "missing cp_async_wait or wait_for_phase");
    CHECK_HAS(fault_of_ring<RingMistake::no_wait_for_empty>(), "race");
}

TEST_CASE(
    "emulation: a bulk copy that is on its way at the wait for the kernel in front brings what was there before") {
    const DeviceArray<float> x{std::vector<float>(kRingTile, 1.0f)}, out{std::size_t(kRingTile)};
    Launch how = kRing;
    how.programmatic = true;
    // The kernel in front sums five tiles into x, which the copy has read by then.
    const DeviceArray<float> tiles{std::vector<float>(std::size_t{kTiles} * kRingTile, 2.0f)};
    launch(sum_through_ring<RingMistake::none>, kRing, tiles.data(), x.data(), kTiles);
    launch(copies_early, how, x.data(), out.data());
    CHECK(fault_of_queued() == "");
    CHECK(out.host() == std::vector<float>(kRingTile, 1.0f));
    CHECK(x.host() == std::vector<float>(kRingTile, 2.0f * kTiles));
}

TEST_CASE("emulation: products of a group of four warps, with b row by row and column by column") {
    bool is_right = false;
    using B = __nv_bfloat16;
    CHECK((fault_of_group<__half, 128, Swizzle::rows_of_128, false>(is_right)) == "");
    CHECK(is_right);
    CHECK((fault_of_group<__half, 64, Swizzle::rows_of_128, true>(is_right)) == "");
    CHECK(is_right);
    CHECK((fault_of_group<B, 128, Swizzle::rows_of_64, false>(is_right)) == "");
    CHECK(is_right);
    CHECK((fault_of_group<B, 96, Swizzle::rows_of_64, true>(is_right)) == "");
    CHECK(is_right);
    CHECK((fault_of_group<B, 128, Swizzle::rows_of_128, true>(is_right)) == "");
    CHECK(is_right);
}

TEST_CASE("emulation: planted mistakes with products of four warps") {
    bool is_right = false;
    CHECK_HAS(fault_of_mistake<GroupMistake::no_product_fence>(is_right), "missing fence_products");
    CHECK_HAS(fault_of_mistake<GroupMistake::writes_sums_early>(is_right), "missing wait_for_products");
    CHECK_HAS(fault_of_mistake<GroupMistake::writes_rows_early>(is_right), "has written the rows of a product");
    CHECK_HAS(fault_of_mistake<GroupMistake::leaves_a_product>(is_right), "ends while a product is under way");
    CHECK(fault_of_mistake<GroupMistake::overwrites_b>(is_right) == "");
    CHECK_FALSE(is_right);  // as on the device: what is written too early is what is multiplied
    CHECK(fault_of_mistake<GroupMistake::not_swizzled>(is_right) == "");
    CHECK_FALSE(is_right);
    CHECK((fault_of_mistake<GroupMistake::not_swizzled, true>(is_right)) == "");
    CHECK_FALSE(is_right);
    CHECK_HAS(fault_of_mistake<GroupMistake::not_aligned>(is_right), "do not begin at multiples of 1024");
    CHECK_HAS((fault_of_mistake<GroupMistake::not_aligned, true>(is_right)), "do not begin at multiples of 1024");
    Launch three = kGroup;
    three.block = 96;
    CHECK_HAS(fault_of_mistake<GroupMistake::none>(is_right, three), "mismatched warp group");
    if (!accesses_checked()) return;
    CHECK_HAS(fault_of_mistake<GroupMistake::no_proxy_fence>(is_right), "missing fence_async_proxy");
}

TEST_CASE("emulation: groups that share registers, and planted mistakes") {
    CHECK(fault_of_registers<RegisterMistake::none>() == "");
    CHECK_HAS(fault_of_registers<RegisterMistake::keeps_all>(), "waits forever at take_registers");
    CHECK_HAS(fault_of_registers<RegisterMistake::one_warp>(), "mismatched warp group");
    CHECK_HAS(fault_of_registers<RegisterMistake::takes_few>(), "where it has 168 registers");
}
