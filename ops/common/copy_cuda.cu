#include "ops/common/copy_cuda.h"

#include "ops/common/copy_nest.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// A CopyNest as a kernel's argument; sizes and strides in units.
struct Nest {
    int rank;
    unsigned sizes[kMaxRank];
    std::int64_t from[kMaxRank], to[kMaxRank];

    Nest(const CopyNest& nest, std::int64_t elements_a_unit) : rank(nest.rank) {
        for (int i = 0; i < rank; ++i) {
            const bool last = i == rank - 1;
            const std::int64_t divisor = last ? 1 : elements_a_unit;
            sizes[i] = unsigned(kernel_int(nest.sizes[std::size_t(i)] / (last ? elements_a_unit : 1)));
            from[i] = nest.from[std::size_t(i)] / divisor;
            to[i] = nest.to[std::size_t(i)] / divisor;
        }
    }

    /// Adds where index `row` of the outer `dimensions`, flattened, begins on each side.
    __device__ void add_offsets(unsigned row, int dimensions, std::int64_t& from_at, std::int64_t& to_at) const {
        for (int i = dimensions - 1; i >= 0; --i) {
            const unsigned rest = row / sizes[i], index = row - rest * sizes[i];
            from_at += index * from[i];
            to_at += index * to[i];
            row = rest;
        }
    }
};

/// A thread a unit, neighbours along the innermost dimension.
template <class Unit>
__global__ void copy_units_kernel(const Unit* from, Unit* to, const Nest nest, unsigned count) {
    const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    std::int64_t from_at = 0, to_at = 0;
    nest.add_offsets(i, nest.rank, from_at, to_at);
    to[to_at] = from[from_at];
}

constexpr int kTile = 32, kTileRows = 8;  // a tile's side; rows that a block moves at once

/// `to` is contiguous along the last dimension, `from` along the last but one: a block turns a tile of the two by way
/// of shared memory, so that both sides are accessed in whole lines.
template <class Unit>
__global__ void copy_tiles_kernel(const Unit* from, Unit* to, const Nest nest, unsigned row_tiles,
                                  unsigned column_tiles) {
    constexpr int kStride = kTile + 4 / int(sizeof(Unit));  // a word more: a column of the tile then lies in 32 banks
    VITRO_SHARED(Unit, tile, kTile * kStride);
    const int last = nest.rank - 1;
    const unsigned plane = blockIdx.x / (row_tiles * column_tiles), rest = blockIdx.x % (row_tiles * column_tiles);
    const unsigned first_row = rest / column_tiles * kTile, first_column = rest % column_tiles * kTile;
    std::int64_t from_at = 0, to_at = 0;
    nest.add_offsets(plane, nest.rank - 2, from_at, to_at);
    for (unsigned k = threadIdx.y; k < kTile; k += kTileRows) {
        const unsigned row = first_row + threadIdx.x, column = first_column + k;
        if (row < nest.sizes[last - 1] && column < nest.sizes[last])
            tile[k * kStride + threadIdx.x] = from[from_at + row + column * nest.from[last]];
    }
    __syncthreads();
    for (unsigned k = threadIdx.y; k < kTile; k += kTileRows) {
        const unsigned row = first_row + k, column = first_column + threadIdx.x;
        if (row < nest.sizes[last - 1] && column < nest.sizes[last])
            to[to_at + row * nest.to[last - 1] + column] = tile[threadIdx.x * kStride + k];
    }
}

template <class Unit>
void copy_units(const Call& call, const void* from, void* to, const CopyNest& nest, std::int64_t elements_a_unit) {
    const auto count = unsigned(kernel_int(nest.count(nest.rank) / elements_a_unit));
    constexpr unsigned kThreads = 256;
    launch(copy_units_kernel<Unit>,
           {.name = "copy_units", .grid = blocks_for(count, kThreads), .block = kThreads, .stream = stream_of(call)},
           static_cast<const Unit*>(from), static_cast<Unit*>(to), Nest(nest, elements_a_unit), count);
}

template <class Unit>
void copy_tiles(const Call& call, const void* from, void* to, const CopyNest& nest) {
    const auto tiles = [&](int axis) { return (nest.sizes[std::size_t(axis)] + kTile - 1) / kTile; };
    const std::int64_t row_tiles = tiles(nest.rank - 2), column_tiles = tiles(nest.rank - 1);
    launch(copy_tiles_kernel<Unit>,
           {.name = "copy_tiles",
            .grid = unsigned(kernel_int(nest.count(nest.rank - 2) * row_tiles * column_tiles)),
            .block = {kTile, kTileRows},
            .stream = stream_of(call)},
           static_cast<const Unit*>(from), static_cast<Unit*>(to), Nest(nest, 1), unsigned(row_tiles),
           unsigned(column_tiles));
}

}  // namespace

void copy_strided(const Call& call, const StridedView& from, const StridedView& to) {
    CopyNest nest(from, to);
    if (nest.count(nest.rank) == 0) return;
    const std::int64_t element = info(to.dtype).block_bytes;
    if (nest.turn_tiles()) {
        if (element == 4)
            copy_tiles<unsigned>(call, from.data, to.data, nest);
        else if (element == 2)
            copy_tiles<unsigned short>(call, from.data, to.data, nest);
        else
            copy_tiles<unsigned char>(call, from.data, to.data, nest);
        return;
    }
    const auto last = std::size_t(nest.rank - 1);
    std::int64_t bytes = element;  // what all strides and the innermost size are multiples of
    if (nest.from[last] == 1 && nest.to[last] == 1) {
        bytes = nest.sizes[last] * element;
        for (std::size_t i = 0; i < last; ++i) bytes |= (nest.from[i] | nest.to[i]) * element;
    }
    with_unit({from.data, to.data}, bytes, [&]<class Unit>(Unit) {
        copy_units<Unit>(call, from.data, to.data, nest,
                         std::max<std::int64_t>(1, std::int64_t(sizeof(Unit)) / element));
    });
}

}  // namespace vitro::VITRO_DEVICE
