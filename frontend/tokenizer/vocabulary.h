// The spellings of tokens by id, and ids by spelling.
#pragma once

#include "base/error.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace vitro {

class Vocabulary {
public:
    /// An id without a token has an empty spelling; of two equal ones the last counts, as in Hugging Face's files.
    explicit Vocabulary(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {
        ids_.reserve(tokens_.size());
        for (std::size_t id = 0; id < tokens_.size(); ++id) {
            if (tokens_[id].empty()) continue;
            ids_[tokens_[id]] = static_cast<std::int32_t>(id);
            longest_ = std::max(longest_, tokens_[id].size());
        }
    }
    Vocabulary(const Vocabulary&) = delete;
    Vocabulary& operator=(const Vocabulary&) = delete;

    std::size_t size() const { return tokens_.size(); }
    const std::string& token(std::int32_t id) const { return tokens_[static_cast<std::size_t>(id)]; }
    const std::vector<std::string>& tokens() const { return tokens_; }
    std::optional<std::int32_t> find(std::string_view token) const {
        if (token.size() > longest_) return std::nullopt;
        const auto found = ids_.find(token);
        if (found == ids_.end()) return std::nullopt;
        return found->second;
    }
    /// The ids of <0x00> to <0xFF>, -1 for those that are not there.
    std::array<std::int32_t, 256> byte_ids() const {
        std::array<std::int32_t, 256> ids{};
        for (std::size_t byte = 0; byte < 256; ++byte) ids[byte] = find(fmt::format("<0x{:02X}>", byte)).value_or(-1);
        return ids;
    }

private:
    std::vector<std::string> tokens_;
    std::unordered_map<std::string_view, std::int32_t> ids_;  // views into tokens_
    std::size_t longest_ = 0;
};

}  // namespace vitro
