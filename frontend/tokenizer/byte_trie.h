// Strings that are looked for at a place of a text: all that stand there are found in one walk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace vitro {

/// A trie whose edges are in one hash table (open addressing), so that walking is a few look-ups and no allocation.
class ByteTrie {
public:
    ByteTrie() = default;

    /// `key` is not empty. Of two equal keys the first counts.
    void add(std::string_view key, std::int32_t value) {
        std::uint32_t node = 0;
        for (const char c : key) node = child_or_new(node, static_cast<unsigned char>(c));
        if (values_[node] < 0) values_[node] = value;
    }

    /// Calls found(value, length) for each key that starts `text`, the shortest first.
    template <class Found>
    void prefixes(std::string_view text, Found&& found) const {
        std::uint32_t node = 0;
        for (std::size_t i = 0; i < text.size(); ++i) {
            node = child(node, static_cast<unsigned char>(text[i]));
            if (node == 0) return;
            if (values_[node] >= 0) found(values_[node], i + 1);
        }
    }

    bool empty() const { return values_.size() == 1; }

private:
    struct Edge {
        std::uint64_t key = kNone;
        std::uint32_t child = 0;
    };
    static constexpr std::uint64_t kNone = ~std::uint64_t{0};

    std::size_t slot(std::uint64_t key) const {
        std::size_t at = (key * 0x9e3779b97f4a7c15u >> 20) & (edges_.size() - 1);
        while (edges_[at].key != kNone && edges_[at].key != key) at = (at + 1) & (edges_.size() - 1);
        return at;
    }
    std::uint32_t child(std::uint32_t node, unsigned char byte) const {
        return edges_[slot(std::uint64_t{node} << 8 | byte)].child;
    }
    std::uint32_t child_or_new(std::uint32_t node, unsigned char byte) {
        if (values_.size() * 2 > edges_.size()) grow();
        Edge& edge = edges_[slot(std::uint64_t{node} << 8 | byte)];
        if (edge.key == kNone) {
            edge = {std::uint64_t{node} << 8 | byte, static_cast<std::uint32_t>(values_.size())};
            values_.push_back(-1);
        }
        return edge.child;
    }
    void grow() {
        std::vector<Edge> old(edges_.size() * 2);
        old.swap(edges_);
        for (const Edge& edge : old)
            if (edge.key != kNone) edges_[slot(edge.key)] = edge;
    }

    std::vector<Edge> edges_ = std::vector<Edge>(64);  // a power of two, at most half full
    std::vector<std::int32_t> values_{-1};             // of each node; -1: no key ends there
};

}  // namespace vitro
