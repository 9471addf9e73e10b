#include "graph/dump/folded_list.h"

#include "graph/dump/repeat.h"
#include "graph/dump/script_json.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace vitro {
namespace {

/// `text` as layer `index` of `layers` says it. Whatever it holds, putting that layer back gives `text` again.
std::string as_in_layer(std::string_view text, const std::string& layers, std::int64_t index) {
    std::string out;
    const std::string start = layers + ".", own = std::to_string(index), before = std::to_string(index - 1);
    std::size_t done = 0;
    for (std::size_t at = text.find(start); at != std::string_view::npos; at = text.find(start, done)) {
        const std::size_t digits = at + start.size();
        const std::size_t past = std::min(text.find_first_not_of("-0123456789", digits), text.size());
        const std::string_view number = text.substr(digits, past - digits);
        if (number == own || number == before) {
            out.append(text.substr(done, at - done)).append(number == own ? "\\u0001" : "\\u0002");
            done = past;
        } else {
            out.append(text.substr(done, digits - done));
            done = digits;
        }
    }
    return out.append(text.substr(done));
}

std::string numbers_text(std::string_view name, const std::vector<std::int64_t>& numbers) {
    return fmt::format("\"{}\":{}", name,
                       json_list(numbers, [](std::int64_t number) { return std::to_string(number); }));
}

}  // namespace

void FoldedList::add(std::string_view path, std::string_view values, std::initializer_list<std::int64_t> numbers) {
    const LayerOfPath at = layer_of(path);
    if (at.index != block_.index || at.layers != block_.layers) {
        end_block();
        block_.layers = at.layers;
        block_.index = at.index;
    }
    if (!block_.items.empty()) block_.items += ',';
    block_.items += '[';
    block_.items += at.index < 0 ? std::string(values) : as_in_layer(values, block_.layers, at.index);
    block_.items += ']';
    block_.numbers.insert(block_.numbers.end(), numbers);
}

void FoldedList::end_block() {
    if (block_.items.empty()) return;
    if (continues_run()) {
        steps_.resize(block_.numbers.size());
        for (std::size_t i = 0; i < steps_.size(); ++i) steps_[i] = block_.numbers[i] - last_numbers_[i];
        last_ = block_.index;
        last_numbers_ = std::move(block_.numbers);
    } else {
        write_run();
        run_ = std::move(block_);
        last_ = run_.index;
        last_numbers_ = run_.numbers;
    }
    block_ = {};
}

bool FoldedList::continues_run() const {
    if (run_.index < 0 || block_.index != last_ + 1 || block_.layers != run_.layers || block_.items != run_.items)
        return false;
    if (last_ == run_.index) return true;
    for (std::size_t i = 0; i < steps_.size(); ++i)
        if (block_.numbers[i] - last_numbers_[i] != steps_[i]) return false;
    return true;
}

void FoldedList::write_run() {
    if (run_.items.empty()) return;
    std::vector<std::string> members{"\"items\":[" + run_.items + "]"};
    if (!run_.numbers.empty()) members.push_back(numbers_text("numbers", run_.numbers));
    if (run_.index >= 0) {
        members.push_back("\"layers\":" + json_string(run_.layers));
        members.push_back(fmt::format("\"first\":{},\"last\":{}", run_.index, last_));
        if (last_ > run_.index && !steps_.empty()) members.push_back(numbers_text("steps", steps_));
    }
    json_ += (json_.empty() ? "" : ",\n") + json_object(members);
}

std::string FoldedList::take() {
    end_block();
    write_run();
    run_ = {};
    return "[" + std::exchange(json_, {}) + "]";
}

}  // namespace vitro
