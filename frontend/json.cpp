#include "frontend/json.h"

#include "base/error.h"
#include "frontend/model_directory.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <utility>

namespace vitro {
namespace {

enum class Kind { null, boolean, integer, number, string, array, object };

constexpr std::string_view kEndOfFile = "the end of the file";
constexpr std::size_t kNone = static_cast<std::size_t>(-1);

/// Length of the valid UTF-8 sequence that starts `text`, or 0.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const auto continues = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first < 0xe0) return continues(1) ? 2 : 0;
    if (first >= 0xe0 && first < 0xf0) {
        const bool overlong = first == 0xe0 && byte(1) < 0xa0;
        const bool surrogate = first == 0xed && byte(1) >= 0xa0;
        return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
    }
    if (first >= 0xf0 && first < 0xf5) {
        const bool overlong = first == 0xf0 && byte(1) < 0x90;
        const bool beyond = first == 0xf4 && byte(1) >= 0x90;
        return continues(1) && continues(2) && continues(3) && !overlong && !beyond ? 4 : 0;
    }
    return 0;
}

}  // namespace

struct JsonValue::Node {
    Kind kind = Kind::null;
    bool boolean = false;
    std::int64_t integer = 0;
    double number = 0;
    std::string text;          // a string's value; a number as it was written
    std::string key;           // of a member
    std::size_t position = 0;  // of an element
    std::size_t parent = kNone;
    std::vector<std::size_t> children;
};

struct JsonValue::Document {
    std::string file;
    std::vector<Node> nodes;

    std::string path_of(std::size_t index) const {
        std::string path;
        while (nodes[index].parent != kNone) {
            const Node& node = nodes[index];
            const bool element = nodes[node.parent].kind == Kind::array;
            const bool joined = path.empty() || path.front() == '[';
            const std::string step = element ? fmt::format("[{}]", node.position) : node.key;
            path = fmt::format("{}{}{}", step, joined ? "" : ".", path);
            index = node.parent;
        }
        return path;
    }

    /// How an error about a value opens: `config.json: "rope_scaling.factor"`.
    std::string place_of(std::size_t index) const {
        const std::string path = path_of(index);
        return path.empty() ? file : file + ": " + quote(path);
    }
};

/// Takes the parser's events and grows the document; the functions' names are the parser's.
struct JsonValue::Reader {
    Document& document;
    std::string_view text;
    const JsonLimits& limits;
    std::vector<std::size_t> open = {};                      // arrays and objects around the next value
    std::vector<std::unordered_set<std::string>> keys = {};  // of each of them
    std::string next_key = {};

    Node& add(Kind kind) {
        const std::size_t index = document.nodes.size();
        if (index == limits.max_values) {
            vitro::fail("{}: expected at most {} values, found more", document.file, limits.max_values);
        }
        Node& added = document.nodes.emplace_back();
        added.kind = kind;
        if (!open.empty()) {
            Node& parent = document.nodes[open.back()];
            added.parent = open.back();
            added.position = parent.children.size();
            added.key = std::exchange(next_key, {});
            parent.children.push_back(index);
        }
        return added;
    }

    bool enter(Kind kind) {
        if (open.size() == limits.max_depth) {
            vitro::fail("{}: expected values nested at most {} deep, found one deeper", document.file,
                        limits.max_depth);
        }
        add(kind);
        open.push_back(document.nodes.size() - 1);
        keys.emplace_back();
        return true;
    }

    bool leave() {
        open.pop_back();
        keys.pop_back();
        return true;
    }

    bool null() {
        add(Kind::null);
        return true;
    }
    bool boolean(bool value) {
        add(Kind::boolean).boolean = value;
        return true;
    }
    bool number_integer(std::int64_t value) {
        Node& added = add(Kind::integer);
        added.integer = value;
        added.number = static_cast<double>(value);
        added.text = std::to_string(value);
        return true;
    }
    bool number_unsigned(std::uint64_t value) {
        if (std::in_range<std::int64_t>(value)) return number_integer(static_cast<std::int64_t>(value));
        return number_float(static_cast<double>(value), std::to_string(value));
    }
    bool number_float(double value, const std::string& written) {
        Node& added = add(Kind::number);
        added.number = value;
        added.text = written;
        return true;
    }
    bool string(std::string& value) {
        add(Kind::string).text = std::move(value);
        return true;
    }
    bool binary(std::vector<std::uint8_t>&) { return false; }
    bool start_object(std::size_t) { return enter(Kind::object); }
    bool end_object() { return leave(); }
    bool start_array(std::size_t) { return enter(Kind::array); }
    bool end_array() { return leave(); }
    bool key(std::string& value) {
        if (!keys.back().insert(value).second) {
            vitro::fail("{}: expected each key once, found {} twice", document.place_of(open.back()), quote(value));
        }
        next_key = std::move(value);
        return true;
    }

    bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) {
        const std::size_t end = std::min(position, text.size());  // of what was read, with the byte that is wrong
        const std::string found = reason(error.what(), end);
        const std::string_view before = text.substr(0, found == kEndOfFile || end == 0 ? end : end - 1);
        const auto line = 1 + std::count(before.begin(), before.end(), '\n');
        const std::size_t newline = before.rfind('\n');
        const std::size_t column = before.size() - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
        vitro::fail("{}: line {}, column {}: expected valid JSON, found {}", document.file, line, column, found);
    }

    /// The parser's complaint without its error number and the bytes it quotes, which may be anything.
    std::string reason(std::string_view complaint, std::size_t end) const {
        const auto not_in_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-'; };
        std::size_t start = end;
        while (start > 0 && !not_in_word(text[start - 1])) --start;
        for (const std::string_view name : {"NaN", "Infinity", "-Infinity"}) {
            if (text.substr(start, name.size()) == name) return fmt::format("{}, which no JSON number can be", name);
        }
        if (complaint.find("number overflow") != std::string_view::npos) return "a number too large for a double";
        if (end >= text.size() && complaint.find("unexpected end of input") != std::string_view::npos)
            return std::string(kEndOfFile);
        const std::size_t dash = complaint.find(" - ");
        if (dash != std::string_view::npos) complaint.remove_prefix(dash + 3);
        return std::string(complaint.substr(0, complaint.find("; last read: ")));
    }
};

JsonValue JsonValue::parse(std::string_view text, std::string file, const JsonLimits& limits) {
    if (text.size() > limits.max_bytes) {
        vitro::fail("{}: expected at most {} bytes of JSON, found {}", file, limits.max_bytes, text.size());
    }
    // The parser takes a zero byte for the end of the text and would pass over whatever follows.
    if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos) {
        vitro::fail("{}: expected JSON text, found a zero byte at offset {}", file, zero);
    }
    const auto document = std::make_shared<Document>();
    document->file = std::move(file);
    Reader reader{*document, text, limits};
    const bool complete = nlohmann::json::sax_parse(text.begin(), text.end(), &reader);
    VITRO_CHECK(complete && !document->nodes.empty());
    return {document, 0};
}

JsonValue JsonValue::read(const std::filesystem::path& path, const JsonLimits& limits) {
    return parse(read_model_file(path, limits.max_bytes), path.filename().string(), limits);
}

const JsonValue::Node& JsonValue::node() const { return document_->nodes[index_]; }
const std::string& JsonValue::file() const { return document_->file; }

bool JsonValue::is_null() const { return node().kind == Kind::null; }
bool JsonValue::is_boolean() const { return node().kind == Kind::boolean; }
bool JsonValue::is_integer() const { return node().kind == Kind::integer; }
bool JsonValue::is_number() const { return node().kind == Kind::integer || node().kind == Kind::number; }
bool JsonValue::is_string() const { return node().kind == Kind::string; }
bool JsonValue::is_array() const { return node().kind == Kind::array; }
bool JsonValue::is_object() const { return node().kind == Kind::object; }

bool JsonValue::boolean() const {
    if (!is_boolean()) refuse("true or false");
    return node().boolean;
}

std::int64_t JsonValue::integer(std::int64_t low, std::int64_t high) const {
    const Node& value = node();
    if (value.kind != Kind::integer || value.integer < low || value.integer > high) {
        refuse(fmt::format("an integer in [{}, {}]", low, high));
    }
    return value.integer;
}

double JsonValue::number(double low, double high) const {
    const bool in_range = is_number() && node().number >= low && node().number <= high;
    if (!in_range) {
        const bool any = low == std::numeric_limits<double>::lowest() && high == std::numeric_limits<double>::max();
        refuse(any ? "a number" : fmt::format("a number in [{}, {}]", low, high));
    }
    return node().number;
}

std::string_view JsonValue::string() const {
    if (!is_string()) refuse("a string");
    return node().text;
}

std::vector<JsonValue> JsonValue::array() const {
    if (!is_array()) refuse("an array");
    std::vector<JsonValue> elements;
    elements.reserve(node().children.size());
    for (const std::size_t child : node().children) elements.push_back({document_, child});
    return elements;
}

std::vector<JsonValue::Member> JsonValue::members() const {
    if (!is_object()) refuse("an object");
    std::vector<Member> result;
    result.reserve(node().children.size());
    for (const std::size_t child : node().children) {
        result.push_back({document_->nodes[child].key, JsonValue(document_, child)});
    }
    return result;
}

std::vector<std::string_view> JsonValue::object_keys() const {
    if (!is_object()) refuse("an object");
    std::vector<std::string_view> keys;
    keys.reserve(node().children.size());
    for (const std::size_t child : node().children) keys.push_back(document_->nodes[child].key);
    return keys;
}

std::optional<JsonValue> JsonValue::find(std::string_view key) const {
    if (!is_object()) refuse("an object");
    for (const std::size_t child : node().children) {
        if (document_->nodes[child].key == key) return JsonValue(document_, child);
    }
    return std::nullopt;
}

std::optional<JsonValue> JsonValue::given(std::string_view key) const {
    std::optional<JsonValue> value = find(key);
    if (value && value->is_null()) value.reset();
    return value;
}

JsonValue JsonValue::at(std::string_view key) const {
    if (std::optional<JsonValue> value = find(key)) return *value;
    vitro::fail("{}: expected the key {}, found no such key", document_->place_of(index_), quote(key));
}

void JsonValue::refuse(std::string_view expected) const {
    vitro::fail("{}: expected {}, found {}", document_->place_of(index_), expected, described());
}

std::string JsonValue::path() const { return document_->path_of(index_); }

std::string JsonValue::described() const {
    const Node& value = node();
    switch (value.kind) {
        case Kind::null:
            return "null";
        case Kind::boolean:
            return value.boolean ? "true" : "false";
        case Kind::integer:
            return value.text;
        case Kind::number:
            return value.text.size() <= 40 ? value.text : value.text.substr(0, 40) + "...";
        case Kind::string:
            return quote(value.text);
        case Kind::array:
            return fmt::format("an array of {}", value.children.size());
        case Kind::object:
            break;
    }
    return fmt::format("an object with {} {}", value.children.size(), value.children.size() == 1 ? "key" : "keys");
}

std::string quote(std::string_view text) {
    constexpr std::size_t kShown = 96;
    std::string result = "\"";
    for (std::size_t i = 0; i < text.size();) {
        if (i >= kShown) {
            result += "...";
            break;
        }
        const auto byte = static_cast<unsigned char>(text[i]);
        const std::size_t length = utf8_length(text.substr(i));
        if (length == 0 || byte < 0x20 || byte == 0x7f) {
            result += fmt::format("\\x{:02x}", byte);
            ++i;
            continue;
        }
        if (byte == '"' || byte == '\\') result += '\\';
        result += text.substr(i, length);
        i += length;
    }
    return result + '"';
}

}  // namespace vitro
