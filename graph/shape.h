// Shapes whose dimensions are constants or symbols, and what binds symbols to numbers.
#pragma once

#include "base/dtype.h"
#include "base/error.h"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

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

using Shape = std::vector<Dim>;

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
