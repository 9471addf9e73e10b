// The header of a GGUF file, put together: what frontend/gguf/gguf.h reads. Version 3, data aligned to 32 bytes.
#pragma once

#include "frontend/gguf/gguf_reader.h"
#include "frontend/gguf/gguf_value.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

class GgufHeader {
public:
    static constexpr std::size_t kAlignment = 32;
    static constexpr std::size_t padded(std::size_t bytes) {
        return (bytes + kAlignment - 1) / kAlignment * kAlignment;
    }

    // One key of the metadata each; none may come twice.
    void add_integer(std::string_view key, std::int64_t value);  // u32
    void add_number(std::string_view key, double value);         // f32
    void add_flag(std::string_view key, bool value);
    void add_text(std::string_view key, std::string_view value);
    void add_texts(std::string_view key, const std::vector<std::string>& values);
    void add_numbers(std::string_view key, const std::vector<float>& values);
    void add_integers(std::string_view key, const std::vector<std::int32_t>& values);
    void add_bytes(std::string_view key, std::string_view values);  // u8
    /// A value of another file, as it stands there.
    void add(const GgufValue& value);

    /// The next tensor; `shape` outermost first. Its data begin, padded, behind that of the tensors before it.
    void add_tensor(std::string_view name, std::span<const std::int64_t> shape, const GgufTensorType& type,
                    std::size_t bytes);

    /// The file up to where the data begin.
    std::string bytes() const;
    /// Of all tensors, padded.
    std::size_t data_bytes() const { return data_bytes_; }

private:
    void add_key(std::string_view key);
    void add_array(std::string_view key, GgufType element, std::size_t count, std::string_view values);

    std::string keys_, tensors_;
    std::size_t key_count_ = 0, tensor_count_ = 0, data_bytes_ = 0;
};

}  // namespace vitro
