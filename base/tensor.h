// A dense row-major block of memory with a dtype and sizes: what kernels read and write.
#pragma once

#include "base/dtype.h"
#include "base/error.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

namespace vitro {

inline constexpr int kMaxRank = 5;

/// Does not own its data. Sizes are this call's true sizes, not bounds.
struct Tensor {
    DType dtype = DType::f32;
    int rank = 0;
    std::array<std::int64_t, kMaxRank> sizes{};  // outermost first
    void* data = nullptr;
    bool absent = false;  // stands for an optional input that is not given; has no elements

    Tensor() = default;
    Tensor(DType type, std::span<const std::int64_t> shape, void* memory)
        : dtype(type), rank(static_cast<int>(shape.size())), data(memory) {
        VITRO_CHECK(shape.size() <= kMaxRank);
        for (std::size_t i = 0; i < shape.size(); ++i) sizes[i] = shape[i];
    }

    /// What stands for an optional input that is not given.
    static Tensor none() {
        Tensor tensor;
        tensor.rank = 1;
        tensor.absent = true;
        return tensor;
    }

    /// Size of dimension `axis`; negative counts from the innermost (-1).
    std::int64_t dim(int axis) const { return sizes[std::size_t(axis < 0 ? axis + rank : axis)]; }

    /// Product of dimensions [from, to).
    std::int64_t count(int from, int to) const {
        std::int64_t n = 1;
        for (int i = from; i < to; ++i) n *= sizes[std::size_t(i)];
        return n;
    }
    std::int64_t elements() const { return count(0, rank); }
    /// Product of all dimensions but the last: the rows of a row-wise op.
    std::int64_t rows() const { return rank == 0 ? 1 : count(0, rank - 1); }
    std::int64_t bytes() const { return bytes_of(dtype, elements()); }

    template <class T>
    T* as() const {
        return static_cast<T*>(data);
    }
};

}  // namespace vitro
