// The header of one GGUF file, read from front to back.
#pragma once

#include "base/dtype.h"
#include "frontend/gguf/gguf_value.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// How ggml numbers and stores a tensor type.
struct GgufTensorType {
    std::uint32_t number;
    std::string_view name;
    std::int64_t block_elements;
    std::int64_t block_bytes;
};
/// Null for a number that no type has.
const GgufTensorType* find_gguf_tensor_type(std::uint32_t number);
/// Of a float or block-quantized type of vitro's, and back; null and nothing where the other side has no such type.
const GgufTensorType* gguf_tensor_type(DType dtype);
std::optional<DType> dtype_of(const GgufTensorType& type);

struct GgufTensorInfo {
    std::string name;
    std::vector<std::int64_t> shape;  // outermost first
    const GgufTensorType* type = nullptr;
    std::size_t offset = 0;  // in the file
    std::size_t bytes = 0;
};

class GgufReader {
public:
    /// `file` is the name that errors speak of. Error for a header that is none.
    GgufReader(std::span<const std::byte> bytes, std::string file);

    std::vector<GgufValue> metadata;
    std::vector<GgufTensorInfo> tensors;

private:
    void read_start();
    void read_metadata(std::size_t count);
    void read_value(GgufValue& value);
    void read_tensor();
    void read_shape(GgufTensorInfo& tensor);
    void place(std::size_t data_start, std::size_t alignment);
    std::size_t alignment() const;

    template <class T>
    T number(std::string_view what);
    std::string_view text(std::string_view what);
    std::size_t count(std::string_view what, std::size_t least_bytes);
    GgufType type(std::string_view what);
    const std::byte* take(std::size_t bytes, std::string_view what);

    std::span<const std::byte> bytes_;
    std::string file_;
    std::size_t position_ = 0;
    std::size_t tensor_count_ = 0, key_count_ = 0;
};

}  // namespace vitro
