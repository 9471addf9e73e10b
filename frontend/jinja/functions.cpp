#include "frontend/jinja/functions.h"

#include "base/error.h"
#include "frontend/jinja/format.h"
#include "frontend/jinja/text.h"

#include <array>

namespace vitro::jinja {
namespace {

constexpr std::int64_t kMaxRange = 100'000;  // jinja2's sandbox has the same

Value range(Heap& heap, const Arguments& arguments) {
    const auto given = arguments.bind("range", {"start", "stop", "step"}, 1);
    std::array<std::int64_t, 3> numbers{0, 0, 1};
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (given[i] == nullptr) continue;
        require_defined(*given[i]);
        if (!given[i]->integer()) fail("range: expected integers, found {}", described_type(*given[i]));
        numbers[i] = *given[i]->integer();
    }
    if (given[1] == nullptr) numbers = {0, numbers[0], 1};
    const auto [start, stop, step] = numbers;
    if (step == 0) fail("range: expected a step other than 0");
    std::int64_t span = 0;
    const bool is_empty = step > 0 ? start >= stop : start <= stop;
    const bool is_huge = __builtin_sub_overflow(stop, start, &span);
    const std::int64_t size = is_empty ? 0 : span / step + (span % step != 0 ? 1 : 0);
    if (!is_empty && (is_huge || size > kMaxRange)) fail("range: expected at most {} items, found more", kMaxRange);
    heap.work();
    return Range{start, stop, step, size};
}

constexpr std::size_t kMaxRefusal = 1000;

/// An error is one line of a length that can be read.
std::string one_line(std::string_view text) {
    std::string line;
    for (std::size_t at = 0; at < text.size() && line.size() < kMaxRefusal; at += code_point_length(text[at])) {
        const bool is_control = static_cast<unsigned char>(text[at]) < 0x20 || text[at] == '\x7f';
        line += is_control ? " " : text.substr(at, code_point_length(text[at]));
    }
    return line;
}

Value raise_exception(Heap& heap, const Arguments& arguments) {
    fail("the template refuses the conversation: {}",
         one_line(str_of(heap, *arguments.bind("raise_exception", {"message"}, 1)[0])));
}

constexpr auto kFunctions = std::to_array<Function>({
    {"dict", make_dict_of},
    {"namespace", nullptr},
    {"raise_exception", raise_exception},
    {"range", range},
    {"strftime_now", nullptr},
});

}  // namespace

Value make_dict_of(Heap& heap, const Arguments& arguments) {
    std::vector<std::pair<Value, Value>> members;
    if (arguments.positional.size() > 1)
        fail("dict: expected at most 1 argument, found {}", arguments.positional.size());
    if (!arguments.positional.empty()) {
        if (const Dict* other = arguments.positional[0].get<Dict>()) {
            members = (*other)->members;
        } else {
            for (const Value& pair : items_of(heap, arguments.positional[0])) {
                std::vector<Value> both = items_of(heap, pair);
                if (both.size() != 2) fail("dict: expected pairs, found a sequence of {}", both.size());
                members.emplace_back(std::move(both[0]), std::move(both[1]));
            }
        }
    }
    for (const auto& [name, value] : arguments.named) members.emplace_back(make_text(heap, name), value);
    return make_dict(heap, std::move(members));
}

std::span<const Function> functions() { return kFunctions; }

std::string formatted_time(std::string_view format, std::time_t now) {
    if (format.empty()) return "";
    std::tm local{};
    localtime_r(&now, &local);
    std::array<char, 4096> buffer{};
    const std::size_t length = std::strftime(buffer.data(), buffer.size(), std::string(format).c_str(), &local);
    if (length == 0) fail("strftime_now: expected a format that gives at most {} bytes", buffer.size() - 1);
    return {buffer.data(), length};
}

}  // namespace vitro::jinja
