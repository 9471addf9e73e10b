#include "ops/common/strided.h"

#include "base/blocks.h"
#include "base/half.h"
#include "ops/common/copy_nest.h"
#include "ops/common/parallel.h"

#include <algorithm>
#include <cstring>

namespace vitro {
namespace {

constexpr std::int64_t kTile = 32;  // rows and columns that change places together

/// Innermost dimension by innermost dimension; a long one is cut, so that one row can be shared.
template <class T>
void copy_rows(const Call& call, const CopyNest& nest, const T* from, T* to) {
    const auto last = std::size_t(nest.rank - 1);
    const std::int64_t inner = nest.sizes[last], step = nest.from[last], to_step = nest.to[last];
    const std::int64_t piece = std::min(inner, kParallelGrain), pieces = (inner + piece - 1) / piece;
    parallel_rows(call, nest.count(nest.rank - 1) * pieces, piece, [&](std::int64_t unit) {
        const auto at = nest.offsets(unit / pieces, nest.rank - 1);
        const std::int64_t first = unit % pieces * piece, n = std::min(piece, inner - first);
        const T* source = from + at.from + first * step;
        T* target = to + at.to + first * to_step;
        if (step == 1 && to_step == 1) {
            std::memcpy(target, source, static_cast<std::size_t>(n) * sizeof(T));
        } else {
            for (std::int64_t i = 0; i < n; ++i) target[i * to_step] = source[i * step];
        }
    });
}

/// Contiguous along the last dimension in `to` and along the last but one in `from`: tile by tile, through a copy
/// near at hand: strides of whole memory pages would push each other's lines out of the cache.
template <class T>
void copy_tiles(const Call& call, const CopyNest& nest, const T* from, T* to) {
    const auto row = std::size_t(nest.rank - 2), column = std::size_t(nest.rank - 1);
    const std::int64_t rows = nest.sizes[row], columns = nest.sizes[column];
    const std::int64_t to_row = nest.to[row], from_column = nest.from[column];
    const std::int64_t bands = (rows + kTile - 1) / kTile;
    parallel_rows(call, nest.count(nest.rank - 2) * bands, kTile * columns, [&](std::int64_t unit) {
        const auto at = nest.offsets(unit / bands, nest.rank - 2);
        const std::int64_t first_row = unit % bands * kTile, height = std::min(rows, first_row + kTile) - first_row;
        T turned[kTile * kTile];
        for (std::int64_t tile = 0; tile < columns; tile += kTile) {
            const std::int64_t width = std::min(columns, tile + kTile) - tile;
            for (std::int64_t c = 0; c < width; ++c)
                for (std::int64_t r = 0; r < height; ++r)
                    turned[r * kTile + c] = from[at.from + first_row + r + (tile + c) * from_column];
            for (std::int64_t r = 0; r < height; ++r)
                std::memcpy(to + at.to + (first_row + r) * to_row + tile, turned + r * kTile,
                            static_cast<std::size_t>(width) * sizeof(T));
        }
    });
}

}  // namespace

StridedView view(const Tensor& whole) {
    Tensor tensor = whole;
    if (const DTypeInfo& type = info(tensor.dtype); type.block_elements > 1 && tensor.rank > 0) {
        std::int64_t& row = tensor.sizes[std::size_t(tensor.rank - 1)];
        row = bytes_of(tensor.dtype, row * type.block_rows);
        if (tensor.rank > 1) tensor.sizes[std::size_t(tensor.rank - 2)] /= type.block_rows;
        tensor.dtype = DType::f8e4m3;  // of one byte
    }
    StridedView out{tensor.dtype, tensor.rank, tensor.sizes, {}, tensor.data};
    for (int i = 0; i < tensor.rank; ++i) out.strides[std::size_t(i)] = tensor.count(i + 1, tensor.rank);
    return out;
}

StridedView narrow(StridedView view, int axis, std::int64_t begin, std::int64_t size) {
    const auto at = std::size_t(axis);
    view.data = static_cast<std::byte*>(view.data) + bytes_of(view.dtype, begin * view.strides[at]);
    view.sizes[at] = size;
    return view;
}

StridedView permute(const StridedView& view, std::span<const std::int64_t> permutation) {
    StridedView out = view;
    for (std::size_t i = 0; i < permutation.size(); ++i) {
        const auto axis = std::size_t(permutation[i]);
        out.sizes[i] = view.sizes[axis];
        out.strides[i] = view.strides[axis];
    }
    return out;
}

void copy_naive(const StridedView& from, const StridedView& to) {
    std::int64_t n = 1;
    for (int i = 0; i < to.rank; ++i) n *= to.sizes[std::size_t(i)];
    dispatch(to.dtype, [&]<class T>(T) {
        for (std::int64_t element = 0; element < n; ++element) {
            std::int64_t rest = element, source = 0, target = 0;
            for (int i = to.rank - 1; i >= 0; --i) {
                const auto axis = std::size_t(i);
                const std::int64_t index = rest % to.sizes[axis];
                rest /= to.sizes[axis];
                source += index * from.strides[axis];
                target += index * to.strides[axis];
            }
            static_cast<T*>(to.data)[target] = static_cast<const T*>(from.data)[source];
        }
    });
}

void copy_parallel(const Call& call, const StridedView& from, const StridedView& to) {
    CopyNest nest(from, to);
    if (nest.count(nest.rank) == 0) return;
    const bool tiled = nest.turn_tiles();
    dispatch(to.dtype, [&]<class T>(T) {
        const auto* source = static_cast<const T*>(from.data);
        auto* target = static_cast<T*>(to.data);
        if (tiled)
            copy_tiles(call, nest, source, target);
        else
            copy_rows(call, nest, source, target);
    });
}

}  // namespace vitro
