// GGUF files for tests, byte by byte.
#pragma once

#include "frontend/gguf/gguf_value.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitro::test {

template <class T>
std::string little_endian(T value) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
}
inline std::string u32(std::uint64_t value) { return little_endian(static_cast<std::uint32_t>(value)); }
inline std::string u64(std::uint64_t value) { return little_endian(value); }
inline std::string gguf_text(std::string_view text) { return u64(text.size()) + std::string(text); }

/// A key of the metadata with its type and value.
inline std::string gguf_key(std::string_view key, GgufType type, std::string_view value) {
    return gguf_text(key) + u32(static_cast<std::uint32_t>(type)) + std::string(value);
}
inline std::string gguf_key(std::string_view key, std::uint32_t value) {
    return gguf_key(key, GgufType::u32, u32(value));
}
inline std::string gguf_key(std::string_view key, std::string_view value) {
    return gguf_key(key, GgufType::string, gguf_text(value));
}
inline std::string gguf_strings(std::string_view key, const std::vector<std::string>& values) {
    std::string bytes = u32(static_cast<std::uint32_t>(GgufType::string)) + u64(values.size());
    for (const std::string& value : values) bytes += gguf_text(value);
    return gguf_key(key, GgufType::array, bytes);
}

struct GgufTensorBytes {
    std::string name = "a";
    std::vector<std::int64_t> dims = {4};  // innermost first, as in files
    std::uint32_t type = 0;                // F32
    std::uint64_t offset = 0;
    std::optional<std::uint32_t> rank = {};
};

struct GgufBytes {
    std::string magic = "GGUF";
    std::uint32_t version = 3;
    std::vector<std::string> keys = {};
    std::vector<GgufTensorBytes> tensors = {};
    std::string data = {};
    std::size_t alignment = 32;
    std::optional<std::uint64_t> tensor_count = {}, key_count = {};

    std::string header() const {
        std::string bytes =
            magic + u32(version) + u64(tensor_count.value_or(tensors.size())) + u64(key_count.value_or(keys.size()));
        for (const std::string& key : keys) bytes += key;
        for (const GgufTensorBytes& tensor : tensors) {
            bytes += gguf_text(tensor.name) + u32(tensor.rank.value_or(static_cast<std::uint32_t>(tensor.dims.size())));
            for (const std::int64_t dim : tensor.dims) bytes += little_endian(dim);
            bytes += u32(tensor.type) + u64(tensor.offset);
        }
        return bytes;
    }
    std::string bytes() const {
        std::string all = header();
        all.resize((all.size() + alignment - 1) / alignment * alignment);
        return all + data;
    }
};

}  // namespace vitro::test
