// One value of a GGUF file's metadata. The accessors are checked: a value of another kind or out of range is an Error
// that names file, key, what was expected and what was found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// As files number them.
enum class GgufType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

/// Its bytes lie in the mapped file, and live as long as that.
class GgufValue {
public:
    GgufValue(std::string file, std::string key, GgufType type, const std::byte* data)
        : file_(std::move(file)), key_(std::move(key)), type_(type), data_(data) {}

    bool is_array() const { return is_array_; }
    bool is_string() const { return !is_array_ && type_ == GgufType::string; }
    /// Of an array; 1 of any other value.
    std::size_t size() const { return is_array_ ? size_ : 1; }

    bool boolean() const;
    std::string_view string() const;
    std::int64_t integer(std::int64_t low = std::numeric_limits<std::int64_t>::min(),
                         std::int64_t high = std::numeric_limits<std::int64_t>::max()) const;
    /// Any number, always finite.
    double number(double low = std::numeric_limits<double>::lowest(),
                  double high = std::numeric_limits<double>::max()) const;
    /// An array's elements. Error when they are of another kind; booleans are integers, too.
    std::vector<std::string> strings() const;
    std::vector<std::int64_t> integers() const;
    std::vector<double> numbers() const;

    /// Throws the Error "FILE: "KEY": expected EXPECTED, found VALUE".
    [[noreturn]] void refuse(std::string_view expected) const;
    /// In few words: 3, "text", an array of 4 i32.
    std::string described() const;
    std::string_view key() const { return key_; }
    /// Type and value as they stand in the file.
    std::span<const std::byte> stored() const { return stored_; }

private:
    friend class GgufReader;

    const std::byte* element(std::size_t index) const;
    bool integer_at(std::size_t index, std::int64_t& value) const;
    double number_at(std::size_t index) const;
    std::string_view string_at(std::size_t index) const;
    std::string described_element(std::size_t index) const;

    std::string file_, key_;
    GgufType type_;  // of the value, or of an array's elements
    bool is_array_ = false;
    std::size_t size_ = 1;
    const std::byte* data_;                // numbers: the first
    std::vector<std::string_view> texts_;  // strings
    std::span<const std::byte> stored_;
};

/// "u32", "string".
std::string_view name(GgufType type);
/// Bytes of a number; 0 of strings and arrays.
std::size_t bytes_of(GgufType type);

}  // namespace vitro
