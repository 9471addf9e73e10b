// Finds values by their paths, without a second copy of those.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace vitro {

/// A hash table of ids by the hash of their path. Who asks compares the paths, which stand with the values: `is(id)`.
/// Open addressing with linear probing, at most half full.
class PathIndex {
public:
    static std::uint32_t hash(std::string_view path) {
        return static_cast<std::uint32_t>(std::hash<std::string_view>()(path));
    }

    /// The id with this hash that `is` takes, or -1.
    template <class Is>
    std::int32_t find(std::uint32_t hash, Is&& is) const {
        if (slots_.empty()) return -1;
        for (std::size_t at = home(hash); slots_[at].id >= 0; at = next(at))
            if (slots_[at].hash == hash && is(slots_[at].id)) return slots_[at].id;
        return -1;
    }

    /// The id must not be there yet.
    void add(std::uint32_t hash, std::int32_t id);
    /// The id must be there.
    void remove(std::uint32_t hash, std::int32_t id);
    /// Every id becomes `new_ids[id]`, and is forgotten where that is negative.
    void renumber(const std::vector<std::int32_t>& new_ids);

private:
    struct Slot {
        std::uint32_t hash = 0;
        std::int32_t id = -1;  // negative: free
    };
    std::size_t home(std::uint32_t hash) const { return hash & (slots_.size() - 1); }
    std::size_t next(std::size_t at) const { return (at + 1) & (slots_.size() - 1); }
    void place(Slot slot);
    void resize(std::size_t slots);

    std::vector<Slot> slots_;  // a power of two, or none
    std::size_t used_ = 0;
};

}  // namespace vitro
