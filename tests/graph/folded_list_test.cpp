// Lists that pages get: whatever is added comes out again, and what layers say alike takes no more room for many.
#include "graph/dump/folded_list.h"

#include "base/random.h"

#include <doctest/doctest.h>
#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace vitro::test {
namespace {

using Json = nlohmann::json;

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
    return text;
}

/// The entries, as the header says how to read them.
std::vector<Json> unfolded(const std::string& json) {
    std::vector<Json> out;
    for (const Json& block : Json::parse(json)) {
        const Json numbers = block.value("numbers", Json::array()), steps = block.value("steps", Json::array());
        const std::size_t width = numbers.size() / block.at("items").size();
        for (int layer = block.value("first", 0); layer <= block.value("last", 0); ++layer) {
            const int beyond = layer - block.value("first", 0);
            for (std::size_t i = 0; i < block.at("items").size(); ++i) {
                Json entry = Json::array();
                for (Json value : block.at("items")[i]) {
                    if (value.is_string() && block.contains("layers")) {
                        const std::string layers = block.at("layers");
                        value = replaced(value, "\x01", fmt::format("{}.{}", layers, layer));
                        value = replaced(value, "\x02", fmt::format("{}.{}", layers, layer - 1));
                    }
                    entry.push_back(value);
                }
                for (std::size_t n = i * width; n < (i + 1) * width; ++n)
                    entry.push_back(numbers[n].get<std::int64_t>() +
                                    (steps.empty() ? 0 : beyond * steps[n].get<std::int64_t>()));
                out.push_back(entry);
            }
        }
    }
    return out;
}

struct Entry {
    std::string path, text;
    std::int64_t number;
};

std::string folded(const std::vector<Entry>& entries) {
    FoldedList list;
    for (const Entry& entry : entries)
        list.add(entry.path, fmt::format("{},{}", Json(entry.path).dump(), Json(entry.text).dump()), {entry.number, 7});
    return list.take();
}

}  // namespace

TEST_CASE("a list of layers unfolds to what was added, wherever it stops being alike") {
    Random random(1);
    const auto one_in = [&](std::uint32_t n) { return random.bits() % n == 0; };
    for (int round = 0; round < 300; ++round) {
        std::vector<Entry> entries;
        const std::string layers = one_in(2) ? "layers" : "a.h";
        const auto differs = static_cast<std::uint32_t>(random.integer(1, 40));
        for (std::int64_t layer = one_in(2) ? 0 : 9; layer < 24; ++layer) {
            if (one_in(12)) continue;
            for (const char* value : {"x", "mlp.y"}) {
                const std::string path = fmt::format("{}.{}.{}", layers, layer, value);
                std::string text =
                    fmt::format("of {}, {}.{}.z and {}.1.w, \"{}.{}\"", path, layers, layer - 1, layers, layers, layer);
                if (one_in(differs)) text += " otherwise";
                entries.push_back({path, text, one_in(differs) ? 5 : 100 * layer + value[0]});
            }
            if (one_in(20)) entries.push_back({"norm", "of no layer", layer});
        }
        const std::vector<Json> out = unfolded(folded(entries));
        REQUIRE(out.size() == entries.size());
        for (std::size_t i = 0; i < entries.size(); ++i)
            CHECK(out[i] == Json{entries[i].path, entries[i].text, entries[i].number, 7});
    }
}

TEST_CASE("layers that are alike take the room of one") {
    const auto size = [](std::int64_t layers) {
        std::vector<Entry> entries;
        for (std::int64_t layer = 0; layer < layers; ++layer)
            entries.push_back(
                {fmt::format("layers.{}.x", layer), fmt::format("after layers.{}.x", layer - 1), 64 * layer});
        return folded(entries).size();
    };
    CHECK(size(9'999) == size(1'001));
    CHECK(size(1'001) < size(1) + 50);
}

}  // namespace vitro::test
