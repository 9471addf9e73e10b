#include "frontend/tokenizer/byte_level.h"

#include "frontend/tokenizer/unicode.h"

#include <array>
#include <string>

namespace vitro {
namespace {

/// Printable Latin-1 stands for itself; the others follow from U+0100 on.
struct Table {
    std::array<std::string, 256> chars;
    std::array<int, 0x144> bytes;

    Table() {
        bytes.fill(-1);
        char32_t next = 0x100;
        for (unsigned byte = 0; byte < 256; ++byte) {
            const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad);
            const char32_t c = printable ? byte : next++;
            append_char(chars[byte], c);
            bytes.at(c) = static_cast<int>(byte);
        }
    }
};

const Table& table() {
    static const Table table;
    return table;
}

}  // namespace

std::string_view byte_level_char(char byte) { return table().chars[static_cast<unsigned char>(byte)]; }

std::optional<unsigned char> byte_of_char(char32_t c) {
    if (c >= table().bytes.size() || table().bytes[c] < 0) return std::nullopt;
    return static_cast<unsigned char>(table().bytes[c]);
}

}  // namespace vitro
