// sentencepiece's precompiled_charsmap: a double-array trie (Darts-clone, Yata et al. 2007) of strings and what they
// are replaced by. It comes from files, and whoever walks it trusts its offsets, so it is checked as a whole first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

class Charsmap {
public:
    /// `blob` as the file has it; errors open with `where`. Error when a walk of any text could leave the trie or the
    /// table of replacements, or a replacement is no UTF-8.
    Charsmap(std::string_view blob, std::string_view where);

    /// What `text` is replaced by as a whole: the replacement of the shortest entry that starts it, as Hugging Face has
    /// it.
    std::optional<std::string_view> replacement(std::string_view text) const;

private:
    std::vector<std::uint32_t> units_;
    std::string replacements_;  // each ends with a NUL
};

}  // namespace vitro
