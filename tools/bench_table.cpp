#include "tools/bench_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <utility>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;
using Cells = std::vector<std::string>;

Cells cells_of(const Json& model, const Json& row, bool is_decode) {
    const auto number = [](const Json& from, const char* name, double unit, int digits) {
        return from.contains(name) ? fmt::format("{:.{}f}", from[name].get<double>() / unit, digits) : std::string();
    };
    const std::filesystem::path path = model["model"].get<std::string>();
    const auto whole = [&](const char* name) { return row[name].get<std::int64_t>(); };
    std::string test =
        is_decode ? fmt::format("decode {}", whole("batch")) : fmt::format("prefill {}", whole("tokens"));
    if (is_decode && whole("tokens") > 1) test += fmt::format(" of {}", whole("tokens"));
    if (is_decode || whole("context") > 0) test += fmt::format(" after {}", whole("context"));
    const double deviation = row["deviation"].get<double>() * row["tokens_per_second"].get<double>();
    return {path.filename().string(), test, number(row, "tokens_per_second", 1, 2), fmt::format("{:.2f}", deviation),
            number(row, "bytes_per_second", 1e9, 1),
            // More than the memory gives: the weights stay in the CPU's cache.
            row.value("of_read_bandwidth", 0.0) > 1 ? "in cache" : number(row, "of_read_bandwidth", 0.01, 0),
            number(row, "flops_per_second", 1e9, 1), number(row, "of_peak", 0.01, 0),
            number(model, "load_seconds", 1, 2), number(model, "peak_memory_bytes", 1e9, 2)};
}

/// As RFC 4180 has it.
std::string csv_cell(const std::string& text) {
    if (text.find_first_of(",\"\n") == std::string::npos) return text;
    std::string out = "\"";
    for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
    return out + '"';
}

std::string line_of(Cells cells, bool csv) {
    if (!csv) return fmt::format("| {} |\n", fmt::join(cells, " | "));
    for (std::string& cell : cells) cell = csv_cell(cell);
    return fmt::format("{}\n", fmt::join(cells, ","));
}

}  // namespace

std::string bench_table(const std::vector<Json>& models, bool csv) {
    const Cells heads{"model", "test",      "tokens/s", "± tokens/s",    "GB/s", "% of read bandwidth",
                      "GOP/s", "% of peak", "load s",   "peak memory GB"};
    std::string out = line_of(heads, csv);
    if (!csv) {
        Cells rule(heads.size(), "---:");
        rule[0] = rule[1] = "---";
        out += line_of(rule, csv);
    }
    for (const Json& model : models)
        for (const char* phase : {"decode", "prefill"})
            for (const Json& row : model.value(phase, Json::array()))
                out += line_of(cells_of(model, row, std::string_view(phase) == "decode"), csv);
    return out;
}

}  // namespace vitro
