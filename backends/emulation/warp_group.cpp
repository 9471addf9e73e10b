// Products of a group of four warps (wgmma). Each is done as late as it may be: when its thread waits for it.
#include "backends/cuda/hopper.h"

#include "backends/emulation/block.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

namespace vitro::emulation {
namespace {

constexpr int kRows = 8, kDepth = 16;  // of b
constexpr unsigned kFullWarp = 0xffffffffu;

// A description has the offset in shared memory and both distances, in units of 16 bytes, as the hardware's has.
constexpr unsigned kUnit = 16, kBits = 14;

const std::byte* row_of_block(std::uint64_t b, int row, int block) {
    const auto part = [&](int shift) { return std::size_t{kUnit} * (b >> shift & ((1u << kBits) - 1)); };
    return SharedMemory::window.base + part(0) + std::size_t(block) * part(16) + std::size_t(row) * kUnit;
}

float value_of(int kind, std::uint32_t word, int half) {
    const auto bits = static_cast<unsigned short>(word >> (16 * half));
    return MmaKind(kind) == MmaKind::f16 ? float(__half::of_bits(bits)) : float(__nv_bfloat16::of_bits(bits));
}

/// What lanes bring to a wait: their pending products, of which the first `count` are to be done.
struct WaitLane {
    const GroupProduct* products;
    std::size_t count;
};

/// A warp's 16 rows of one product.
void multiply_rows(void* const* lanes, std::size_t index) {
    const auto of = [&](int lane) -> const GroupProduct& {
        return static_cast<const WaitLane*>(lanes[lane])->products[index];
    };
    float a[16][kDepth], b[kRows][kDepth];
    for (int row = 0; row < kRows; ++row)
        for (int block = 0; block < 2; ++block) {
            std::uint32_t words[4];
            std::memcpy(words, row_of_block(of(0).b, row, block), sizeof words);
            for (int k = 0; k < 8; ++k) b[row][8 * block + k] = value_of(of(0).kind, words[k / 2], k % 2);
        }
    for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < 8; ++i)  // as mma_m16n8k16 has them
            a[lane / 4 + 8 * (i / 2 % 2)][2 * (lane % 4) + i % 2 + 8 * (i / 4)] =
                value_of(of(lane).kind, of(lane).a[std::size_t(i) / 2], i % 2);
    for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < 4; ++i)
            for (int k = 0; k < kDepth; ++k)
                of(lane).d[i] += a[lane / 4 + 8 * (i / 2)][k] * b[2 * (lane % 4) + i % 2][k];
}

void complete_products(void* const* lanes, unsigned) {
    std::size_t count = static_cast<const WaitLane*>(lanes[0])->count;
    for (int lane = 1; lane < 32; ++lane) count = std::min(count, static_cast<const WaitLane*>(lanes[lane])->count);
    for (std::size_t i = 0; i < count; ++i) multiply_rows(lanes, i);
}

bool holds(const float* d, const std::array<float, 4>& values) { return std::memcmp(d, values.data(), 16) == 0; }

}  // namespace

std::uint64_t describe_matrix(const void* start, unsigned along_k, unsigned along_rows) {
    const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(start) - SharedMemory::window.base);
    const auto units = [](std::size_t bytes) { return std::uint64_t{bytes / kUnit & ((1u << kBits) - 1)}; };
    return units(offset) | units(along_k) << 16 | units(along_rows) << 32;
}

void start_product(MmaKind kind, float* d, const std::uint32_t* a, std::uint64_t b, Site site) {
    Thread& thread = *current_thread;
    if (current_block->lanes_of_current_warp() != kFullWarp)
        fault("calls multiply_group in a warp that lacks lanes (mismatched warp operation)", site);
    if (!thread.products_fenced && !(thread.last_d == d && holds(d, thread.last_values)))
        fault("calls multiply_group on registers that were written since the last one (missing fence_products)", site);
    ++thread.products_started;
    GroupProduct product{int(kind), d, {}, {}, b, thread.product_groups};
    std::copy_n(a, 4, product.a.begin());
    std::copy_n(d, 4, product.before.begin());
    thread.products.push_back(product);
}

void note_proxy_fence() { current_block->fence_proxy(); }

void fence_of_products() { current_thread->products_fenced = true; }

void commit_group_of_products() { ++current_thread->product_groups; }

void finish_products(unsigned pending, Site site) {
    Thread& thread = *current_thread;
    std::size_t count = 0;
    while (count < thread.products.size() && thread.products[count].group + pending < thread.product_groups) ++count;
    for (std::size_t i = 0; i < count; ++i) {
        const GroupProduct& product = thread.products[i];
        if (!holds(product.d, product.before))
            fault("has written the sums of a product that was not waited for (missing wait_for_products)", site);
        for (int row = 0; row < kRows; ++row)
            for (int block = 0; block < 2; ++block)
                current_block->check_operand(row_of_block(product.b, row, block), kUnit);
    }
    WaitLane lane{thread.products.data(), count};
    current_block->warp_operation("wait_for_products", kFullWarp, &complete_products, &lane, site);
    if (count == 0) return;
    thread.last_d = thread.products[count - 1].d;
    std::copy_n(thread.last_d, 4, thread.last_values.begin());
    thread.products_fenced = false;
    thread.products.erase(thread.products.begin(), thread.products.begin() + std::ptrdiff_t(count));
}

void Block::fence_proxy() {
    current_thread->proxy_fence = clock_.now();
    tick();
}

/// Bytes of shared memory that a product reads: whoever stored them has let the tensor cores see it.
void Block::check_operand(const std::byte* address, std::size_t bytes) {
    check_read(address, bytes);
    const auto writer = shared_.last_writer(address);
    if (writer && writer->thread < thread_count_ && writer->time > threads_[writer->thread].proxy_fence)
        fault(fmt::format(
            "multiplies with shared memory that thread {} has written and not handed on to the tensor cores "
            "(missing fence_async_proxy)",
            writer->thread));
}

/// Whether all four warps of each group have asked for as many products.
bool Block::groups_are_whole() const {
    return std::all_of(threads_.begin(), threads_.end(), [&](const Thread& thread) {
        const unsigned first = thread.number / 128 * 128;
        return thread.products_started == threads_[first].products_started &&
               (thread.products_started == 0 || first + 128 <= thread_count_);
    });
}

}  // namespace vitro::emulation
