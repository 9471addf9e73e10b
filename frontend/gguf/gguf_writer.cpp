#include "frontend/gguf/gguf_writer.h"

#include "base/error.h"
#include "frontend/json.h"

#include <cstring>
#include <limits>

namespace vitro {
namespace {

template <class T>
void put(std::string& to, T value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    to.append(bytes, sizeof value);
}

void put_text(std::string& to, std::string_view text) {
    put(to, std::uint64_t{text.size()});
    to += text;
}

template <class T>
std::string_view stored(const std::vector<T>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace

void GgufHeader::add_key(std::string_view key) {
    ++key_count_;
    put_text(keys_, key);
}

void GgufHeader::add_integer(std::string_view key, std::int64_t value) {
    if (value < 0 || value > std::numeric_limits<std::uint32_t>::max())
        fail("{}: expected a number in [0, 2^32), found {}", quote(key), value);
    add_key(key);
    put(keys_, GgufType::u32);
    put(keys_, static_cast<std::uint32_t>(value));
}

void GgufHeader::add_number(std::string_view key, double value) {
    add_key(key);
    put(keys_, GgufType::f32);
    put(keys_, static_cast<float>(value));
}

void GgufHeader::add_flag(std::string_view key, bool value) {
    add_key(key);
    put(keys_, GgufType::boolean);
    put(keys_, std::uint8_t{value});
}

void GgufHeader::add_text(std::string_view key, std::string_view value) {
    add_key(key);
    put(keys_, GgufType::string);
    put_text(keys_, value);
}

void GgufHeader::add_array(std::string_view key, GgufType element, std::size_t count, std::string_view values) {
    add_key(key);
    put(keys_, GgufType::array);
    put(keys_, element);
    put(keys_, std::uint64_t{count});
    keys_ += values;
}

void GgufHeader::add_texts(std::string_view key, const std::vector<std::string>& values) {
    std::string bytes;
    for (const std::string& value : values) put_text(bytes, value);
    add_array(key, GgufType::string, values.size(), bytes);
}

void GgufHeader::add_numbers(std::string_view key, const std::vector<float>& values) {
    add_array(key, GgufType::f32, values.size(), stored(values));
}

void GgufHeader::add_integers(std::string_view key, const std::vector<std::int32_t>& values) {
    add_array(key, GgufType::i32, values.size(), stored(values));
}

void GgufHeader::add_bytes(std::string_view key, std::string_view values) {
    add_array(key, GgufType::u8, values.size(), values);
}

void GgufHeader::add(const GgufValue& value) {
    add_key(value.key());
    keys_.append(reinterpret_cast<const char*>(value.stored().data()), value.stored().size());
}

void GgufHeader::add_tensor(std::string_view name, std::span<const std::int64_t> shape, const GgufTensorType& type,
                            std::size_t bytes) {
    ++tensor_count_;
    put_text(tensors_, name);
    put(tensors_, static_cast<std::uint32_t>(shape.size()));
    for (std::size_t i = shape.size(); i > 0; --i) put(tensors_, shape[i - 1]);
    put(tensors_, type.number);
    put(tensors_, std::uint64_t{data_bytes_});
    data_bytes_ += padded(bytes);
}

std::string GgufHeader::bytes() const {
    std::string out = "GGUF";
    put(out, std::uint32_t{3});
    put(out, std::uint64_t{tensor_count_});
    put(out, std::uint64_t{key_count_});
    out += keys_;
    out += tensors_;
    out.resize(padded(out.size()));
    return out;
}

}  // namespace vitro
