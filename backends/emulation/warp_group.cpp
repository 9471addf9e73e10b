// Products of a group of four warps (wgmma), each done as late as it may be: when its thread waits for it. And how many
// registers a group has.
#include "backends/cuda/hopper.h"

#include "backends/emulation/block.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

namespace vitro::emulation {
namespace {

constexpr int kDepth = 16, kMostColumns = 128;
constexpr unsigned kFullWarp = 0xffffffffu, kGroup = 128;
constexpr std::size_t kChunk = 16;  // bytes
constexpr unsigned kRegisters = 65536;

/// A matrix in shared memory. A description has its offset and two distances, in units of 16 bytes, and the kind of
/// swizzle, as the hardware's has.
class Matrix {
public:
    Matrix(std::uint64_t description, bool column_by_column)
        : start_(part(description, 0)),
          leading_(part(description, 16)),
          stride_(part(description, 32)),
          row_(row_bytes(static_cast<cuda_emulated::Swizzle>(description >> 62))),
          column_by_column_(column_by_column) {}

    static std::uint64_t units(std::size_t bytes) { return std::uint64_t{bytes / kUnit & kMask}; }

    std::size_t block_bytes() const { return 8 * row_; }
    /// Rows of k may begin anywhere in the block's first row.
    bool is_aligned() const { return start_ % block_bytes() < (column_by_column_ ? 1 : row_); }
    std::size_t row() const { return row_; }

    /// The 16 bytes of eight elements, from (n, k) on along the rows.
    const std::byte* chunk(int n, int k) const {
        const auto along = std::size_t(column_by_column_ ? n : k) * 2, across = std::size_t(column_by_column_ ? k : n);
        std::size_t at = start_ + along % row_ + across % 8 * row_ + across / 8 * stride_;
        if (column_by_column_) at += along / row_ * leading_;
        at ^= (at >> 3) & (row_ == 128 ? 0x70 : 0x30);
        return SharedMemory::window.base + at;
    }

private:
    static constexpr std::size_t kUnit = 16, kMask = (1u << 14) - 1;
    static std::size_t part(std::uint64_t description, int shift) { return kUnit * (description >> shift & kMask); }

    std::size_t start_, leading_, stride_, row_;
    bool column_by_column_;
};

int columns_of(const GroupProduct& product) { return 2 * static_cast<int>(product.before.size()); }

/// Calls body(n, k) for the first elements of the chunks `first`, first + step, … of b.
template <class Body>
void each_chunk(const GroupProduct& product, int first, int step, Body&& body) {
    const int columns = columns_of(product), per_row = product.column_by_column ? columns / 8 : kDepth / 8;
    for (int i = first; i < columns * kDepth / 8; i += step)
        if (product.column_by_column)
            body(i % per_row * 8, i / per_row);
        else
            body(i / per_row, i % per_row * 8);
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
    static thread_local float a[16][kDepth], b[kDepth][kMostColumns], d[16][kMostColumns];
    const GroupProduct& first = of(0);
    const Matrix matrix(first.b, first.column_by_column);
    const int columns = columns_of(first);
    each_chunk(first, 0, 1, [&](int n, int k) {
        std::uint32_t words[4];
        std::memcpy(words, matrix.chunk(n, k), sizeof words);
        for (int i = 0; i < 8; ++i) {
            const float value = value_of(first.kind, words[i / 2], i % 2);
            (first.column_by_column ? b[k][n + i] : b[k + i][n]) = value;
        }
    });
    for (int lane = 0; lane < 32; ++lane) {
        for (int i = 0; i < 8; ++i)  // as mma_m16n8k16 has them
            a[lane / 4 + 8 * (i / 2 % 2)][2 * (lane % 4) + i % 2 + 8 * (i / 4)] =
                value_of(first.kind, of(lane).a[std::size_t(i) / 2], i % 2);
        for (int i = 0; i < columns / 2; ++i)
            d[lane / 4 + 8 * (i / 2 % 2)][i / 4 * 8 + 2 * (lane % 4) + i % 2] = of(lane).add ? of(lane).d[i] : 0.0f;
    }
    for (int row = 0; row < 16; ++row)
        for (int k = 0; k < kDepth; ++k)
            for (int column = 0; column < columns; ++column) d[row][column] += a[row][k] * b[k][column];
    for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < columns / 2; ++i)
            of(lane).d[i] = d[lane / 4 + 8 * (i / 2 % 2)][i / 4 * 8 + 2 * (lane % 4) + i % 2];
}

void complete_products(void* const* lanes, unsigned) {
    std::size_t count = static_cast<const WaitLane*>(lanes[0])->count;
    for (int lane = 1; lane < 32; ++lane) count = std::min(count, static_cast<const WaitLane*>(lanes[lane])->count);
    for (std::size_t i = 0; i < count; ++i) multiply_rows(lanes, i);
}

bool holds(const float* d, const std::vector<float>& values) {
    return std::memcmp(d, values.data(), values.size() * sizeof(float)) == 0;
}

}  // namespace

std::size_t place_in_shared(const void* address) {
    return static_cast<std::size_t>(static_cast<const std::byte*>(address) - SharedMemory::window.base);
}

std::uint64_t describe_matrix(const void* start, unsigned leading, unsigned stride, unsigned swizzle) {
    return Matrix::units(place_in_shared(start)) | Matrix::units(leading) << 16 | Matrix::units(stride) << 32 |
           std::uint64_t{swizzle} << 62;
}

void start_product(const ProductOperands& given, Site site) {
    Thread& thread = *current_thread;
    if (current_block->lanes_of_current_warp() != kFullWarp)
        fault("calls multiply_group in a warp that lacks lanes (mismatched warp operation)", site);
    if (const Matrix matrix(given.b, given.column_by_column); !matrix.is_aligned())
        current_block->fault(fmt::format(
            "calls multiply_group at {}:{} with a matrix whose blocks of eight rows of {} bytes do not begin "
            "at multiples of {}",
            site.file_name(), site.line(), matrix.row(), matrix.block_bytes()));
    if (!thread.products_fenced && !(thread.last_d == given.d && holds(given.d, thread.last_values)))
        fault("calls multiply_group on registers that were written since the last one (missing fence_products)", site);
    ++thread.products_started;
    GroupProduct product{int(given.kind), given.column_by_column, given.add, given.d, given.a, {}, {},
                         given.b,         thread.product_groups};
    std::copy_n(given.a, 4, product.a.begin());
    product.before.assign(given.d, given.d + given.count);
    thread.products.push_back(std::move(product));
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
        if (!std::equal(product.a.begin(), product.a.end(), product.a_registers))
            fault("has written the rows of a product that was not waited for (missing wait_for_products)", site);
        const Matrix matrix(product.b, product.column_by_column);
        each_chunk(product, int(thread.lane()), 32,
                   [&](int n, int k) { current_block->check_operand(matrix.chunk(n, k), kChunk); });
    }
    WaitLane lane{thread.products.data(), count};
    current_block->warp_operation("wait_for_products", kFullWarp, &complete_products, &lane, site);
    if (count == 0) return;
    const GroupProduct& last = thread.products[count - 1];
    thread.last_d = last.d;
    thread.last_values.assign(last.d, last.d + last.before.size());
    thread.products_fenced = false;
    thread.products.erase(thread.products.begin(), thread.products.begin() + std::ptrdiff_t(count));
}

void set_registers(unsigned count, bool more, Site site) { current_block->set_registers(count, more, site); }

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

void Block::set_registers(unsigned count, bool more, std::source_location site) {
    Thread& thread = *current_thread;
    const unsigned now = thread.registers != 0 ? thread.registers : registers_at_launch();
    if (more ? count < now : count > now)
        fault(fmt::format("calls {} at {}:{} with {}, where it has {} registers",
                          more ? "take_registers" : "keep_registers", site.file_name(), site.line(), count, now));
    thread.registers = count;
}

/// As many as there are for each thread, where the compiler was told of the one block that a multiprocessor has.
unsigned Block::registers_at_launch() const { return std::min(255u, kRegisters / thread_count_ / 8 * 8); }

bool Block::registers_last() const {
    std::size_t all = 0;
    for (const Thread& thread : threads_) all += thread.registers != 0 ? thread.registers : registers_at_launch();
    return all <= kRegisters;
}

/// Whether all four warps of each group have asked for as many products, and have as many registers.
bool Block::groups_are_whole() const {
    return std::all_of(threads_.begin(), threads_.end(), [&](const Thread& thread) {
        const unsigned first = thread.number / kGroup * kGroup;
        const bool asked = thread.products_started != 0 || thread.registers != 0;
        return thread.products_started == threads_[first].products_started &&
               thread.registers == threads_[first].registers && (!asked || first + kGroup <= thread_count_);
    });
}

}  // namespace vitro::emulation
