#include "graph/path_index.h"

#include "base/error.h"

#include <utility>

namespace vitro {

void PathIndex::add(std::uint32_t hash, std::int32_t id) {
    if (2 * (used_ + 1) > slots_.size()) resize(slots_.empty() ? 16 : 2 * slots_.size());
    place({hash, id});
    ++used_;
}

void PathIndex::place(Slot slot) {
    std::size_t at = home(slot.hash);
    while (slots_[at].id >= 0) at = next(at);
    slots_[at] = slot;
}

void PathIndex::resize(std::size_t slots) {
    const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots));
    for (const Slot& slot : old)
        if (slot.id >= 0) place(slot);
}

void PathIndex::remove(std::uint32_t hash, std::int32_t id) {
    std::size_t hole = home(hash);
    while (slots_[hole].id != id) {
        VITRO_CHECK(slots_[hole].id >= 0, "value {} is not in the index", id);
        hole = next(hole);
    }
    // What stands behind the hole and could not be found any more across it moves into it (Knuth, TAOCP 6.4, algorithm
    // R).
    for (std::size_t at = next(hole); slots_[at].id >= 0; at = next(at)) {
        const std::size_t from_home = (at - home(slots_[at].hash)) & (slots_.size() - 1);
        const std::size_t from_hole = (at - hole) & (slots_.size() - 1);
        if (from_home >= from_hole) slots_[std::exchange(hole, at)] = slots_[at];
    }
    slots_[hole] = {};
    --used_;
}

void PathIndex::renumber(const std::vector<std::int32_t>& new_ids) {
    const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size()));
    used_ = 0;
    for (const Slot& slot : old) {
        if (slot.id < 0 || new_ids[static_cast<std::size_t>(slot.id)] < 0) continue;
        place({slot.hash, new_ids[static_cast<std::size_t>(slot.id)]});
        ++used_;
    }
}

}  // namespace vitro
