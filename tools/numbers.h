// The one parser for numbers of the command line.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

namespace vitro {

/// Whole numbers that an option takes.
struct WholeRange {
    std::int64_t least = 0;
    std::int64_t most = std::numeric_limits<std::int64_t>::max();
};

/// Numbers that an option takes; all are finite, unless minus infinity is allowed.
struct NumberRange {
    double least = -std::numeric_limits<double>::infinity();
    double most = std::numeric_limits<double>::infinity();
    bool above_least = false;  // `least` itself is refused
    bool minus_infinity = false;
};

/// All of `text` as a number in decimal digits. Error: "expected a whole number of at least 0, found -5".
std::int64_t parse_whole(std::string_view text, WholeRange range);
/// From 0 to 2^64 - 1.
std::uint64_t parse_unsigned(std::string_view text);
float parse_number(std::string_view text, NumberRange range);

}  // namespace vitro
