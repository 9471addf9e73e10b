#include "tools/numbers.h"

#include "base/error.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <string>

namespace vitro {
namespace {

/// All of the text as a number of that type: whether it is one, and whether its type is too narrow for it.
enum class Parsed { number, beyond, none };
template <class T>
Parsed parse(std::string_view text, T& value) {
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    if (rest != end || error == std::errc::invalid_argument) return Parsed::none;
    return error == std::errc{} ? Parsed::number : Parsed::beyond;
}

/// How an error shows what was found: a number as it is, other texts in quotes.
std::string found(std::string_view text) {
    constexpr std::size_t kMost = 40;
    const bool is_number = !text.empty() && text.find_first_not_of("0123456789+-.eE") == std::string_view::npos;
    if (text.size() > kMost) return fmt::format("'{}...'", text.substr(0, kMost));
    return is_number ? std::string(text) : fmt::format("'{}'", text);
}

/// " from 1 to 9". An end that is the type's own is left out, unless a number was `beyond` the type.
template <class T>
std::string range_text(T least, T most, T lowest, T highest, bool beyond) {
    if (beyond || most < highest) return fmt::format(" from {} to {}", least, most);
    if (least > lowest) return fmt::format(" of at least {}", least);
    return "";
}

}  // namespace

std::int64_t parse_whole(std::string_view text, WholeRange range) {
    using Limits = std::numeric_limits<std::int64_t>;
    std::int64_t value = 0;
    const Parsed parsed = parse(text, value);
    if (parsed != Parsed::number || value < range.least || value > range.most)
        fail("expected a whole number{}, found {}",
             range_text(range.least, range.most, Limits::min(), Limits::max(), parsed == Parsed::beyond), found(text));
    return value;
}

std::uint64_t parse_unsigned(std::string_view text) {
    std::uint64_t value = 0;
    if (parse(text, value) != Parsed::number)
        fail("expected a whole number from 0 to {}, found {}", std::numeric_limits<std::uint64_t>::max(), found(text));
    return value;
}

float parse_number(std::string_view text, NumberRange range) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    double value = 0;
    const Parsed parsed = parse(text, value);
    const float narrow = static_cast<float>(value);
    const bool is_within = range.above_least ? value > range.least : value >= range.least;
    const bool in_range = std::isfinite(narrow) && is_within && value <= range.most;
    if (parsed == Parsed::number && (in_range || (range.minus_infinity && value == -kInfinity))) return narrow;
    const char* infinity = range.minus_infinity ? " or -inf" : "";
    if (parsed == Parsed::beyond || (std::isfinite(value) && !std::isfinite(narrow)))
        fail("expected a number of magnitude at most {}{}, found {}", std::numeric_limits<float>::max(), infinity,
             found(text));
    const std::string bounds = range.above_least ? fmt::format(" above {}", range.least)
                                                 : range_text(range.least, range.most, -kInfinity, kInfinity, false);
    fail("expected a number{}{}, found {}", bounds, infinity, found(text));
}

}  // namespace vitro
