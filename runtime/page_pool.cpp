#include "runtime/page_pool.h"

#include "runtime/errors.h"

namespace vitro {

PagePool::PagePool(std::int64_t pages, std::int64_t page_size, std::int64_t sequences, std::int64_t pages_per_sequence)
    : page_size_(page_size),
      references_(static_cast<std::size_t>(pages)),
      sequences_(static_cast<std::size_t>(sequences)) {
    for (std::int64_t page = pages - 1; page >= 0; --page) free_.push_back(static_cast<std::int32_t>(page));
    for (Sequence& sequence : sequences_) sequence.pages.reserve(static_cast<std::size_t>(pages_per_sequence));
    reservations_.reserve(sequences_.size());
    copies_.reserve(sequences_.size());
}

std::size_t PagePool::pages_for(std::int64_t length) const {
    return static_cast<std::size_t>((length + page_size_ - 1) / page_size_);
}

std::int32_t PagePool::take() {
    if (free_.empty())
        throw ContextError(
            fmt::format("the KV cache is full: all {} pages of {} tokens are in use", references_.size(), page_size_));
    const std::int32_t page = free_.back();
    free_.pop_back();
    references_[static_cast<std::size_t>(page)] = 1;
    return page;
}

void PagePool::release(std::int32_t page) {
    if (--references_[static_cast<std::size_t>(page)] == 0) free_.push_back(page);
}

void PagePool::reserve(std::int64_t sequence, std::int64_t begin, std::int64_t end) {
    std::vector<std::int32_t>& pages = of(sequence).pages;
    VITRO_CHECK(pages.size() == pages_for(begin) && begin <= end && pages_for(end) <= pages.capacity());
    reservations_.push_back({sequence, pages.size(), -1});
    const bool writes_last = begin % page_size_ != 0 && end > begin;
    if (writes_last && references_[static_cast<std::size_t>(pages.back())] > 1) {
        const std::int32_t own = take();
        copies_.push_back({pages.back(), own});
        reservations_.back().replaced = pages.back();
        pages.back() = own;
    }
    while (pages.size() < pages_for(end)) pages.push_back(take());
}

void PagePool::commit() {
    for (const Reservation& reservation : reservations_)
        if (reservation.replaced >= 0) release(reservation.replaced);
    reservations_.clear();
    copies_.clear();
}

void PagePool::roll_back() {
    for (const Reservation& reservation : reservations_) {
        std::vector<std::int32_t>& pages = of(reservation.sequence).pages;
        while (pages.size() > reservation.pages_before) {
            release(pages.back());
            pages.pop_back();
        }
        if (reservation.replaced < 0) continue;
        release(pages.back());
        pages.back() = reservation.replaced;
    }
    reservations_.clear();
    copies_.clear();
}

void PagePool::truncate(std::int64_t sequence, std::int64_t length) {
    std::vector<std::int32_t>& pages = of(sequence).pages;
    while (pages.size() > pages_for(length)) {
        release(pages.back());
        pages.pop_back();
    }
}

void PagePool::share(std::int64_t from, std::int64_t to, std::int64_t length) {
    VITRO_CHECK(of(to).pages.empty() && pages_for(length) <= of(from).pages.size());
    for (std::size_t i = 0; i < pages_for(length); ++i) {
        const std::int32_t page = of(from).pages[i];
        ++references_[static_cast<std::size_t>(page)];
        of(to).pages.push_back(page);
    }
}

}  // namespace vitro
