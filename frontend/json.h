// JSON as files carry it, read strictly: valid UTF-8, no duplicate keys, no NaN, limited depth and size, integers that
// are integers. Every mismatch is an Error that names file, field, what was expected and what was found:
//     config.json: "rope_scaling.short_factor[3]": expected a number in [0, 1000], found "big"
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vitro {

struct JsonLimits {
    std::size_t max_bytes = std::size_t{100} << 20;
    std::size_t max_values = std::size_t{4} << 20;  // bounds the memory a hostile file can ask for
    std::size_t max_depth = 64;                     // arrays and objects around a value
};

/// One value of a parsed document. Cheap to copy; each copy keeps the whole document alive, and string_views handed out
/// live as long as any of them. The accessors are checked: a value of another kind or out of range is an Error.
class JsonValue {
public:
    struct Member;

    /// Parses `text`; errors speak of it as `file`.
    static JsonValue parse(std::string_view text, std::string file, const JsonLimits& limits = {});

    /// Parses the file at `path`; errors speak of its file name.
    static JsonValue read(const std::filesystem::path& path, const JsonLimits& limits = {});

    bool is_null() const;
    bool is_boolean() const;
    bool is_integer() const;  ///< written without fraction and exponent, and fits 64 bits
    bool is_number() const;   ///< any number, integers too
    bool is_string() const;
    bool is_array() const;
    bool is_object() const;

    bool boolean() const;
    /// Refuses 3.0 and 1e3: an integer is written as one.
    std::int64_t integer(std::int64_t low = std::numeric_limits<std::int64_t>::min(),
                         std::int64_t high = std::numeric_limits<std::int64_t>::max()) const;
    /// Always finite.
    double number(double low = std::numeric_limits<double>::lowest(),
                  double high = std::numeric_limits<double>::max()) const;
    std::string_view string() const;
    /// The elements, in order.
    std::vector<JsonValue> array() const;
    /// Key and value of each member, in the file's order.
    std::vector<Member> members() const;
    std::vector<std::string_view> object_keys() const;

    /// The member named `key`; nothing when there is none. A member that is null is there: see is_null and `given`.
    std::optional<JsonValue> find(std::string_view key) const;
    /// As find, but null counts as not there: how Hugging Face's configs mean it.
    std::optional<JsonValue> given(std::string_view key) const;
    /// The member named `key`; Error when there is none.
    JsonValue at(std::string_view key) const;

    /// Throws the Error "FILE: "PATH": expected EXPECTED, found VALUE", for conditions only the caller knows.
    [[noreturn]] void refuse(std::string_view expected) const;
    /// Where the value stands, "rope_scaling.short_factor[3]"; empty for the document itself.
    std::string path() const;
    /// The value in few words for an error: 3.5, "text", null, an array of 3.
    std::string described() const;
    const std::string& file() const;

private:
    struct Node;
    struct Document;
    struct Reader;

    JsonValue(std::shared_ptr<const Document> document, std::size_t index)
        : document_(std::move(document)), index_(index) {}
    const Node& node() const;

    std::shared_ptr<const Document> document_;
    std::size_t index_;
};

struct JsonValue::Member {
    std::string_view key;
    JsonValue value;
};

/// `text` in double quotes, for an error: on one line (control characters and broken UTF-8 as \x1f) and cut when long.
std::string quote(std::string_view text);

}  // namespace vitro
