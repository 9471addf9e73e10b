// Which page of the KV cache belongs to which sequence. Pure bookkeeping: it knows no graph and no device.
//
// A page holds the keys and values of `page_size` consecutive tokens. Sequences may share pages: each page has a count
// of the sequences that use it, and a shared page is copied before a sequence writes to it (Kwon et al. 2023,
// PagedAttention, section 4.4). The pages for a step are reserved first, then kept by commit() or given back by
// roll_back().
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace vitro {

class PagePool {
public:
    /// `pages`: for all `sequences` together; one sequence takes at most `pages_per_sequence`.
    PagePool(std::int64_t pages, std::int64_t page_size, std::int64_t sequences, std::int64_t pages_per_sequence);

    /// The pages of a sequence, in order.
    std::span<const std::int32_t> pages(std::int64_t sequence) const { return of(sequence).pages; }
    std::int64_t free_pages() const { return static_cast<std::int64_t>(free_.size()); }

    /// Makes room for tokens [begin, end) of a sequence that has `begin` tokens, at most once per sequence between two
    /// calls of commit() or roll_back(). ContextError when no page is free: then roll_back().
    void reserve(std::int64_t sequence, std::int64_t begin, std::int64_t end);
    /// Pages whose content must be copied before anything is written to the reserved pages.
    struct Copy {
        std::int32_t from, to;
    };
    std::span<const Copy> copies() const { return copies_; }
    void commit();
    void roll_back();

    /// Keeps the pages of the first `length` tokens of a sequence.
    void truncate(std::int64_t sequence, std::int64_t length);
    /// Gives sequence `to`, which has no pages, those of the first `length` tokens of `from`.
    void share(std::int64_t from, std::int64_t to, std::int64_t length);

private:
    struct Sequence {
        std::vector<std::int32_t> pages;  // its capacity is the most pages that the sequence may have
    };
    /// What reserve() did to a sequence.
    struct Reservation {
        std::int64_t sequence;
        std::size_t pages_before;
        std::int32_t replaced;  // the last of those pages if it was shared and is replaced by a copy; -1: it was not
    };

    const Sequence& of(std::int64_t sequence) const { return sequences_[static_cast<std::size_t>(sequence)]; }
    Sequence& of(std::int64_t sequence) { return sequences_[static_cast<std::size_t>(sequence)]; }
    std::int32_t take();
    void release(std::int32_t page);
    std::size_t pages_for(std::int64_t length) const;

    std::int64_t page_size_;
    std::vector<std::int32_t> references_;  // by page: how many sequences use it
    std::vector<std::int32_t> free_;        // the last one is taken first
    std::vector<Sequence> sequences_;
    std::vector<Reservation> reservations_;
    std::vector<Copy> copies_;
};

}  // namespace vitro
