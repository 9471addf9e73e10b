#include "base/error.h"
#include "frontend/jinja/format.h"
#include "frontend/jinja/text.h"

#include <algorithm>

namespace vitro::jinja {
namespace {

class JsonWriter {
public:
    JsonWriter(TextBuilder& out, const JsonStyle& style) : out_(out), style_(style) {}

    void write(const Value& value, std::size_t level) {
        out_.heap().work();
        if (const std::string* text = value.text())
            write_text(*text);
        else if (const auto* sequence = value.get<Sequence>())
            write_items((*sequence)->items, level);
        else if (const auto* dict = value.get<Dict>())
            write_members(**dict, level);
        else
            out_.append(scalar(value));
    }

private:
    std::string scalar(const Value& value) {
        if (value.is<None>()) return "null";
        if (const auto* boolean = value.get<bool>()) return *boolean ? "true" : "false";
        if (const auto integer = value.integer()) return std::to_string(*integer);
        const double* number = value.get<double>();
        if (number == nullptr) fail("expected a value that JSON can represent, found {}", described_type(value));
        if (*number != *number) return "NaN";
        if (*number - *number != 0) return *number < 0 ? "-Infinity" : "Infinity";
        return float_text(*number);
    }

    void write_text(std::string_view text) {
        out_.append("\"");
        while (!text.empty()) {
            const char32_t c = code_point_of(text);
            const std::string_view bytes = text.substr(0, code_point_length(text[0]));
            text.remove_prefix(bytes.size());
            constexpr std::string_view kSpecial = "\"\\\n\r\t\f\b", kLetters = "\"\\nrtfb";
            const std::size_t special = bytes.size() == 1 ? kSpecial.find(bytes[0]) : std::string_view::npos;
            if (special != std::string_view::npos)
                out_.append(std::string{'\\', kLetters[special]});
            else if (c < 0x20 || (style_.ensure_ascii && c >= 0x7f && c < 0x10000))
                out_.append(c == 0x7f ? "\x7f" : fmt::format("\\u{:04x}", static_cast<unsigned>(c)));
            else if (style_.ensure_ascii && c >= 0x10000)
                out_.append(fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (static_cast<unsigned>(c - 0x10000) >> 10),
                                        0xdc00 + (static_cast<unsigned>(c - 0x10000) & 0x3ff)));
            else
                out_.append(bytes);
        }
        out_.append("\"");
    }

    void new_line(std::size_t level) {
        if (!style_.indent) return;
        out_.append("\n");
        for (; level > 0; --level) out_.append(*style_.indent);
    }

    void write_items(const std::vector<Value>& items, std::size_t level) {
        if (items.empty()) return out_.append("[]");
        out_.append("[");
        for (std::size_t i = 0; i < items.size(); ++i) {
            if (i > 0) out_.append(style_.between_items);
            new_line(level + 1);
            write(items[i], level + 1);
        }
        new_line(level);
        out_.append("]");
    }

    void write_members(const DictBody& dict, std::size_t level) {
        if (dict.members.empty()) return out_.append("{}");
        std::vector<const std::pair<Value, Value>*> members;
        for (const auto& member : dict.members) members.push_back(&member);
        if (style_.sort_keys) {
            std::stable_sort(members.begin(), members.end(), [&](const auto* a, const auto* b) {
                return compare(out_.heap(), a->first, b->first) < 0;
            });
        }
        out_.append("{");
        for (std::size_t i = 0; i < members.size(); ++i) {
            if (i > 0) out_.append(style_.between_items);
            new_line(level + 1);
            const Value& key = members[i]->first;
            write_text(key.text() != nullptr ? *key.text() : scalar(key));
            out_.append(style_.behind_key);
            write(members[i]->second, level + 1);
        }
        new_line(level);
        out_.append("}");
    }

    TextBuilder& out_;
    const JsonStyle& style_;
};

}  // namespace

void append_json(TextBuilder& out, const Value& value, const JsonStyle& style) {
    JsonWriter(out, style).write(value, 0);
}

}  // namespace vitro::jinja
