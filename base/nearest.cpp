#include "base/nearest.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <vector>

namespace vitro {
namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

/// The optimal string alignment distance (Damerau 1964, without edits inside a swapped pair).
std::size_t edits(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], before[j - 2] + 1);
        }
        before.swap(above);
        above.swap(row);
    }
    return above[b.size()];
}

}  // namespace

std::string_view nearest(std::string_view name, std::span<const std::string_view> known) {
    constexpr std::size_t kLongest = 200;  // edits() takes time in the product of both lengths
    if (name.empty() || name.size() > kLongest) return {};
    const std::string wanted = lower(name);
    std::string_view best, part;
    std::size_t fewest = kLongest;
    for (const std::string_view each : known) {
        if (each.size() > kLongest) continue;
        const std::string candidate = lower(each);
        const std::size_t distance = edits(wanted, candidate);
        if (distance <= std::max<std::size_t>(1, candidate.size() / 3) && distance < candidate.size() &&
            distance < fewest) {
            fewest = distance;
            best = each;
        }
        const bool begins_or_ends = candidate.starts_with(wanted) || candidate.ends_with(wanted);
        if (wanted.size() >= 3 && begins_or_ends && (part.empty() || each.size() < part.size())) part = each;
    }
    return best.empty() ? part : best;
}

std::string_view nearest_path(std::string_view path, std::span<const std::string_view> known) {
    const auto dots = std::count(path.begin(), path.end(), '.');
    std::vector<std::string_view> ends;
    for (const std::string_view each : known) {
        std::size_t begin = each.size();
        for (auto left = dots + 1; left > 0 && begin != std::string_view::npos; --left)
            begin = begin == 0 ? std::string_view::npos : each.rfind('.', begin - 1);
        ends.push_back(each.substr(begin == std::string_view::npos ? 0 : begin + 1));
    }
    const std::string_view end = nearest(path, ends);
    const auto at = std::find(ends.begin(), ends.end(), end);
    return at == ends.end() || end.empty() ? std::string_view{} : known[static_cast<std::size_t>(at - ends.begin())];
}

namespace {

std::string hint(std::string_view meant) { return meant.empty() ? "" : fmt::format(": did you mean '{}'?", meant); }

}  // namespace

std::string did_you_mean(std::string_view name, std::span<const std::string_view> known) {
    return hint(nearest(name, known));
}

std::string did_you_mean_path(std::string_view path, std::span<const std::string_view> known) {
    return hint(nearest_path(path, known));
}

}  // namespace vitro
