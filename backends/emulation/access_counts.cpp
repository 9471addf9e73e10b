#include "backends/emulation/access_counts.h"

#include <algorithm>
#include <bit>
#include <mutex>
#include <utility>

namespace vitro::emulation {
namespace {

constexpr std::uintptr_t kSectorBytes = 32, kWordBytes = 4;
constexpr std::size_t kBanks = 32;

std::mutex totals_mutex;
std::vector<AccessCounts> totals;

/// Sorts numbers and leaves one of each; gives their count.
template <class Container>
std::size_t make_distinct(Container& numbers) {
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    return numbers.size();
}

}  // namespace

AccessCounts& AccessCounts::operator+=(const AccessCounts& other) {
    launches += other.launches;
    const LaunchSize mine = size;
    if (other.size.threads() > mine.threads()) size = other.size;
    size.static_shared = std::max(mine.static_shared, other.size.static_shared);
    size.dynamic_shared = std::max(mine.dynamic_shared, other.size.dynamic_shared);
    global_requests += other.global_requests;
    bytes += other.bytes;
    sectors += other.sectors;
    shared_requests += other.shared_requests;
    bank_conflicts += other.bank_conflicts;
    return *this;
}

std::vector<AccessCounts> take_access_counts() {
    const std::lock_guard lock(totals_mutex);
    return std::exchange(totals, {});
}

void add_access_counts(const AccessCounts& counts) {
    const std::lock_guard lock(totals_mutex);
    const auto at = std::find_if(totals.begin(), totals.end(),
                                 [&](const AccessCounts& each) { return each.kernel == counts.kernel; });
    if (at == totals.end())
        totals.push_back(counts);
    else
        *at += counts;
}

void AccessCounter::add(unsigned thread, std::uintptr_t place, Space space, const void* address, std::size_t bytes) {
    Instruction& instruction = warps_[thread / 32][place];
    const unsigned lane = thread % 32;
    const std::uint32_t number = instruction.seen[lane]++;
    if (number == instruction.requests.size()) instruction.requests.emplace_back();
    Request& request = instruction.requests[number];
    request.space = space;
    request.bytes = static_cast<unsigned>(bytes);
    request.lanes |= 1u << lane;
    request.addresses[lane] = reinterpret_cast<std::uintptr_t>(address);
}

void AccessCounter::finish_warp(unsigned warp) {
    for (auto& [place, instruction] : warps_[warp]) {
        for (const Request& request : instruction.requests) count(request);
        instruction.requests.clear();
        instruction.seen.fill(0);
    }
}

void AccessCounter::finish_warps() {
    for (unsigned warp = 0; warp < warps_.size(); ++warp) finish_warp(warp);
}

AccessCounts AccessCounter::take() {
    finish_warps();
    for (auto& instructions : warps_) instructions.clear();
    return std::exchange(counts_, {});
}

void AccessCounter::count(const Request& request) {
    request.space == Space::global ? count_global(request) : count_shared(request);
}

void AccessCounter::count_global(const Request& request) {
    std::vector<std::uintptr_t> addresses, sectors;
    for (unsigned rest = request.lanes; rest != 0; rest &= rest - 1) {
        const std::uintptr_t begin = request.addresses[std::size_t(std::countr_zero(rest))];
        addresses.push_back(begin);
        for (std::uintptr_t sector = begin / kSectorBytes; sector <= (begin + request.bytes - 1) / kSectorBytes;
             ++sector)
            sectors.push_back(sector);
    }
    make_distinct(addresses);
    ++counts_.global_requests;
    std::uintptr_t end = 0;  // of what is counted
    for (const std::uintptr_t begin : addresses) {
        counts_.bytes += static_cast<std::int64_t>(begin + request.bytes - std::max(begin, end));
        end = begin + request.bytes;
    }
    counts_.sectors += static_cast<std::int64_t>(make_distinct(sectors));
}

// Accesses of 8 and 16 bytes take the lanes of half and of a quarter warp at a time. Lanes that read the same word are
// served together; atomic updates of it are not.
void AccessCounter::count_shared(const Request& request) {
    ++counts_.shared_requests;
    const unsigned lanes_at_once = request.bytes <= 4 ? 32 : request.bytes <= 8 ? 16 : 8;
    for (unsigned first = 0; first < 32; first += lanes_at_once) {
        std::vector<std::uintptr_t> words;
        for (unsigned lane = first; lane < first + lanes_at_once; ++lane) {
            if ((request.lanes >> lane & 1) == 0) continue;
            const std::uintptr_t begin = request.addresses[lane];
            for (std::uintptr_t word = begin / kWordBytes; word <= (begin + request.bytes - 1) / kWordBytes; ++word)
                words.push_back(word);
        }
        if (words.empty()) continue;
        if (request.space == Space::shared) make_distinct(words);
        std::array<std::int64_t, kBanks> rounds{};
        for (const std::uintptr_t word : words) ++rounds[word % kBanks];
        counts_.bank_conflicts += *std::max_element(rounds.begin(), rounds.end()) - 1;
    }
}

}  // namespace vitro::emulation
