// Copies between tensors seen through strides: what slice, split, concat, transpose and repeat are made of.
#pragma once

#include "graph/op_def.h"

#include <array>
#include <cstdint>
#include <span>

namespace vitro {

/// Elements at data[sum of index[i] * strides[i]]; strides in elements, 0 repeats. Does not own its data.
struct StridedView {
    DType dtype = DType::f32;
    int rank = 0;
    std::array<std::int64_t, kMaxRank> sizes{};
    std::array<std::int64_t, kMaxRank> strides{};
    void* data = nullptr;
};

/// The whole tensor; one of blocks as the bytes of its rows (of its groups of rows, where it is packed), so that whole
/// ones can be moved like others.
StridedView view(const Tensor& tensor);

/// Indices [begin, begin + size) along `axis`.
StridedView narrow(StridedView view, int axis, std::int64_t begin, std::int64_t size);

/// Dimension i of the result is dimension permutation[i] of `view`.
StridedView permute(const StridedView& view, std::span<const std::int64_t> permutation);

/// to[index] = from[index], element by element: the reference. Same sizes and dtype, memory apart.
void copy_naive(const StridedView& from, const StridedView& to);

/// Does one of the copies that an op is made of; each backend has its own.
using CopyView = void (*)(const Call& call, const StridedView& from, const StridedView& to);

/// The same, in contiguous runs where there are any and in tiles where the innermost dimensions change places, shared
/// among the threads of the call's backend, the CPU.
void copy_parallel(const Call& call, const StridedView& from, const StridedView& to);

}  // namespace vitro
