#include "graph/shape.h"

#include "base/checked.h"

namespace vitro {

std::int64_t bytes_of(const TensorType& type, const SymbolValues& symbols) {
    std::optional<std::int64_t> n = info(type.dtype).block_bytes;
    for (const Dim dim : type.shape) {
        if (n) n = checked_mul(*n, symbols(dim));
    }
    if (!n || *n < 0) fail("{}: size in bytes does not fit in 63 bits", to_string(type));
    return *n / info(type.dtype).block_elements;
}

std::string to_string(Dim dim) { return dim.is_symbol() ? std::string(1, dim.symbol) : std::to_string(dim.size); }

std::string to_string(const Shape& shape) {
    std::string text = "[";
    for (const Dim dim : shape) {
        if (text.size() > 1) text += ", ";
        text += to_string(dim);
    }
    return text + "]";
}

std::string to_string(const TensorType& type) {
    return type.absent ? "none" : fmt::format("{} {}", name(type.dtype), to_string(type.shape));
}

}  // namespace vitro
