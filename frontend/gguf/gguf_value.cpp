#include "frontend/gguf/gguf_value.h"

#include "base/error.h"
#include "frontend/json.h"

#include <array>
#include <cmath>
#include <cstring>

namespace vitro {
namespace {

struct TypeRow {
    std::string_view name;
    std::size_t bytes;
};

constexpr std::array<TypeRow, 13> kTypes{{{"u8", 1},
                                          {"i8", 1},
                                          {"u16", 2},
                                          {"i16", 2},
                                          {"u32", 4},
                                          {"i32", 4},
                                          {"f32", 4},
                                          {"bool", 1},
                                          {"string", 0},
                                          {"array", 0},
                                          {"u64", 8},
                                          {"i64", 8},
                                          {"f64", 8}}};

template <class T>
T read(const std::byte* data) {
    T value;
    std::memcpy(&value, data, sizeof value);
    return value;
}

}  // namespace

std::string_view name(GgufType type) { return kTypes[static_cast<std::size_t>(type)].name; }
std::size_t bytes_of(GgufType type) { return kTypes[static_cast<std::size_t>(type)].bytes; }

const std::byte* GgufValue::element(std::size_t index) const { return data_ + index * bytes_of(type_); }

/// Whether the element is an integer of at most 63 bits, which `value` then is.
bool GgufValue::integer_at(std::size_t index, std::int64_t& value) const {
    const std::byte* at = element(index);
    switch (type_) {
        case GgufType::u8:
            value = read<std::uint8_t>(at);
            return true;
        case GgufType::i8:
            value = read<std::int8_t>(at);
            return true;
        case GgufType::u16:
            value = read<std::uint16_t>(at);
            return true;
        case GgufType::i16:
            value = read<std::int16_t>(at);
            return true;
        case GgufType::u32:
            value = read<std::uint32_t>(at);
            return true;
        case GgufType::i32:
            value = read<std::int32_t>(at);
            return true;
        case GgufType::u64:
        case GgufType::i64:
            value = read<std::int64_t>(at);
            return type_ == GgufType::i64 || value >= 0;
        default:
            return false;
    }
}

double GgufValue::number_at(std::size_t index) const {
    if (type_ == GgufType::f32) return read<float>(element(index));
    if (type_ == GgufType::f64) return read<double>(element(index));
    std::int64_t value = 0;
    return integer_at(index, value) ? static_cast<double>(value) : std::nan("");
}

std::string_view GgufValue::string_at(std::size_t index) const { return texts_[index]; }

bool GgufValue::boolean() const {
    if (is_array_ || type_ != GgufType::boolean) refuse("true or false");
    return read<std::uint8_t>(data_) != 0;
}

std::string_view GgufValue::string() const {
    if (!is_string()) refuse("a string");
    return string_at(0);
}

std::int64_t GgufValue::integer(std::int64_t low, std::int64_t high) const {
    std::int64_t value = 0;
    if (is_array_ || !integer_at(0, value) || value < low || value > high) {
        refuse(fmt::format("an integer in [{}, {}]", low, high));
    }
    return value;
}

double GgufValue::number(double low, double high) const {
    const double value = is_array_ || type_ == GgufType::string ? std::nan("") : number_at(0);
    if (!(value >= low && value <= high)) refuse(fmt::format("a number in [{}, {}]", low, high));
    return value;
}

std::vector<std::string> GgufValue::strings() const {
    if (!is_array_ || (type_ != GgufType::string && size_ > 0)) refuse("an array of strings");
    return {texts_.begin(), texts_.end()};
}

std::vector<std::int64_t> GgufValue::integers() const {
    std::vector<std::int64_t> values(size());
    bool fits = is_array_;
    for (std::size_t i = 0; fits && i < size_; ++i)
        if (type_ == GgufType::boolean)
            values[i] = read<std::uint8_t>(element(i)) != 0;
        else
            fits = integer_at(i, values[i]);
    if (!fits) refuse("an array of integers");
    return values;
}

std::vector<double> GgufValue::numbers() const {
    std::vector<double> values(size());
    bool fits = is_array_ && (type_ != GgufType::string || size_ == 0);
    for (std::size_t i = 0; fits && i < size_; ++i) {
        values[i] = number_at(i);
        fits = std::isfinite(values[i]);
    }
    if (!fits) refuse("an array of numbers");
    return values;
}

void GgufValue::refuse(std::string_view expected) const {
    fail("{}: {}: expected {}, found {}", file_, quote(key_), expected, described());
}

std::string GgufValue::described_element(std::size_t index) const {
    if (type_ == GgufType::string) return quote(string_at(index));
    if (type_ == GgufType::boolean) return read<std::uint8_t>(element(index)) != 0 ? "true" : "false";
    if (type_ == GgufType::u64) return std::to_string(read<std::uint64_t>(element(index)));
    std::int64_t value = 0;
    return integer_at(index, value) ? std::to_string(value) : fmt::format("{}", number_at(index));
}

std::string GgufValue::described() const {
    return is_array_ ? fmt::format("an array of {} {}", size_, name(type_)) : described_element(0);
}

}  // namespace vitro
