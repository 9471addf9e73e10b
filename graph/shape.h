// Shapes whose dimensions are constants or symbols, and what binds symbols to numbers.
#pragma once

#include "base/dtype.h"
#include "base/error.h"
#include "base/tensor.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace vitro {

/// One dimension: a constant, or a symbol, a capital letter that stands for a number known at each step.
/// The models use T (tokens in this step), R (rows whose logits are wanted), S (sequences), C (cached tokens of all
/// sequences of the step).
struct Dim {
    std::int64_t size = 0;  // when symbol == 0
    char symbol = 0;

    constexpr Dim() = default;
    constexpr Dim(std::int64_t constant) : size(constant) {}  // NOLINT: a number is a dimension
    constexpr Dim(int constant) : size(constant) {}           // NOLINT
    constexpr Dim(char name) : symbol(name) {}                // NOLINT

    constexpr bool is_symbol() const { return symbol != 0; }
    bool operator==(const Dim&) const = default;
};

/// The dimensions, outermost first; at most kMaxRank, held in place: a graph of thousands of layers has hundreds of
/// thousands of shapes, and every pass and check copies some. Error where there would be more.
class Shape {
public:
    using value_type = Dim;
    using iterator = Dim*;
    using const_iterator = const Dim*;

    Shape() = default;
    Shape(std::initializer_list<Dim> dims) : Shape(dims.begin(), dims.end()) {}
    template <class It>
    Shape(It first, It last) {
        for (; first != last; ++first) push_back(*first);
    }

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    Dim& operator[](std::size_t i) { return dims_[i]; }
    Dim operator[](std::size_t i) const { return dims_[i]; }
    Dim& front() { return dims_[0]; }
    Dim front() const { return dims_[0]; }
    Dim& back() { return dims_[size_ - 1]; }
    Dim back() const { return dims_[size_ - 1]; }
    iterator begin() { return dims_.data(); }
    iterator end() { return dims_.data() + size_; }
    const_iterator begin() const { return dims_.data(); }
    const_iterator end() const { return dims_.data() + size_; }

    void push_back(Dim dim) {
        if (size_ == dims_.size()) fail("expected at most {} dimensions, found more", kMaxRank);
        dims_[size_++] = dim;
    }
    void emplace_back(Dim dim) { push_back(dim); }
    void clear() { size_ = 0; }

    bool operator==(const Shape& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

private:
    std::array<Dim, kMaxRank> dims_{};
    std::size_t size_ = 0;
};

/// A value for each symbol: bounds when a program is compiled, true sizes when it runs.
class SymbolValues {
public:
    std::int64_t& operator[](char symbol) { return values_[index(symbol)]; }
    std::int64_t operator[](char symbol) const { return values_[index(symbol)]; }
    std::int64_t operator()(Dim dim) const { return dim.is_symbol() ? (*this)[dim.symbol] : dim.size; }
    bool operator==(const SymbolValues&) const = default;

private:
    static std::size_t index(char symbol) {
        VITRO_CHECK(symbol >= 'A' && symbol <= 'Z', "symbol '{}'", symbol);
        return static_cast<std::size_t>(symbol - 'A');
    }
    std::array<std::int64_t, 26> values_{};
};

struct TensorType {
    DType dtype = DType::f32;
    Shape shape;
    bool absent = false;  // stands for an optional input that is not given; has no elements
    bool operator==(const TensorType&) const = default;

    /// What stands for an optional input that is not given.
    static TensorType none() { return {DType::f32, {0}, true}; }

    int rank() const { return static_cast<int>(shape.size()); }
    /// Dimension `axis`; negative counts from the innermost.
    Dim dim(int axis) const { return shape[static_cast<std::size_t>(axis < 0 ? axis + rank() : axis)]; }
};

/// Bytes of a value of this type with these symbols. Error when it does not fit 63 bits.
std::int64_t bytes_of(const TensorType& type, const SymbolValues& symbols);

std::string to_string(Dim dim);
std::string to_string(const Shape& shape);      // [T, 3072]
std::string to_string(const TensorType& type);  // bf16 [T, 3072]; "none" of an absent one

}  // namespace vitro
