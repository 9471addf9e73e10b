// Memory that is asked for while a product with other memory is computed.
#pragma once

#include "backends/cpu/isa.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace vitro::inline VITRO_ISA {

/// Rows of a matrix that are on their way from memory while others are multiplied.
class RowsAhead {
public:
    RowsAhead() = default;
    /// n rows of `bytes` bytes, `stride` bytes apart.
    RowsAhead(const std::byte* rows, std::int64_t stride, std::int64_t n, std::int64_t bytes)
        : row_(rows), stride_(stride), lines_((bytes + kLine - 1) / kLine), left_(n * lines_) {}

    std::int64_t lines() const { return left_; }
    void fetch(std::int64_t lines) {
        lines = std::min(lines, left_);
        left_ -= lines;
        while (lines > 0) {
            const std::int64_t run = std::min(lines, lines_ - line_);
            const std::byte* const from = row_ + line_ * kLine;
#pragma GCC unroll 4
            for (std::int64_t i = 0; i < run; ++i) __builtin_prefetch(from + i * kLine);
            lines -= run;
            line_ += run;
            if (line_ == lines_) row_ += stride_, line_ = 0;
        }
    }

private:
    static constexpr std::int64_t kLine = 64;
    const std::byte* row_ = nullptr;
    std::int64_t stride_ = 0, lines_ = 0, left_ = 0, line_ = 0;
};

}  // namespace vitro::inline VITRO_ISA
