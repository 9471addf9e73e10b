#include "frontend/tokenizer/charsmap.h"

#include "base/error.h"
#include "frontend/tokenizer/unicode.h"

#include <cstring>

namespace vitro {
namespace {

bool has_leaf(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
std::uint32_t value(std::uint32_t unit) { return unit & 0x7fffffffu; }
std::uint32_t label(std::uint32_t unit) { return unit & 0x800000ffu; }
std::size_t offset(std::uint32_t unit) { return std::size_t{unit >> 10} << ((unit & 0x200u) >> 6); }

}  // namespace

Charsmap::Charsmap(std::string_view blob, std::string_view where) {
    std::uint32_t size = 0;
    if (blob.size() > sizeof(size)) std::memcpy(&size, blob.data(), sizeof(size));
    if (size == 0 || size % 4 != 0 || size >= blob.size() - std::min(blob.size(), sizeof(size)))
        fail("{}: expected a size of its trie that is a multiple of 4 below its {} bytes, found {}", where, blob.size(),
             size);
    units_.resize(size / 4);
    std::memcpy(units_.data(), blob.data() + sizeof(size), size);
    replacements_ = blob.substr(sizeof(size) + size);
    if (replacements_.back() != '\0') fail("{}: expected replacements that end with a NUL", where);
    if (!is_valid_utf8(replacements_)) fail("{}: expected replacements in UTF-8", where);

    std::vector<bool> seen(units_.size());
    std::vector<std::size_t> open{0};
    while (!open.empty()) {
        const std::size_t at = open.back();
        open.pop_back();
        if (seen[at]) continue;
        seen[at] = true;
        const std::size_t base = at ^ offset(units_[at]);
        if ((base | 0xff) >= units_.size())
            fail("{}: expected units below {}, found one that leads to {}", where, units_.size(), base);
        if (at != 0 && has_leaf(units_[at])) {
            const std::uint32_t place = value(units_[base]);
            if (place >= replacements_.size() || (static_cast<unsigned char>(replacements_[place]) & 0xc0) == 0x80)
                fail("{}: expected replacements that start a character below byte {}, found one at {}", where,
                     replacements_.size(), place);
        }
        for (std::size_t byte = 0; byte < 256; ++byte)  // a text may have a 0, too
            if (label(units_[base ^ byte]) == byte) open.push_back(base ^ byte);
    }
}

std::optional<std::string_view> Charsmap::replacement(std::string_view text) const {
    std::size_t at = offset(units_[0]);
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte == 0) break;
        at ^= byte;
        const std::uint32_t unit = units_[at];
        if (label(unit) != byte) break;
        at ^= offset(unit);
        if (has_leaf(unit)) return std::string_view(replacements_.data() + value(units_[at]));
    }
    return std::nullopt;
}

}  // namespace vitro
