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

/// One model.
std::string text_of(const Json& json) {
    std::string out;
    const auto add = [&]<class... Args>(fmt::format_string<Args...> format, Args&&... args) {
        out += fmt::format(format, std::forward<Args>(args)...);
    };
    add("{} on {}: loaded in {:.3f} s, first token after {:.3f} s\n", json["model"].get<std::string>(),
        json["device"].get<std::string>(), json["load_seconds"].get<double>(),
        json["first_token_seconds"].get<double>());
    const auto number = [](const Json& row, const char* name) { return row[name].get<double>(); };
    const auto share = [](const Json& row, const char* name) {
        return row.contains(name) ? fmt::format(" ({:.0f}%)", 100 * row[name].get<double>()) : std::string();
    };
    const auto kernels = [&](const Json& row) {
        if (!row.contains("kernels")) return;
        add("  {:<20} {:>6} {:>10} {:>12} {:>9} {:>10}  {}\n", "op", "times", "us", "bytes", "GB/s", "GFLOP/s",
            "first");
        for (const Json& kernel : row["kernels"])
            add("  {:<20} {:>6} {:>10.2f} {:>12} {:>9.1f} {:>10.1f}  {}\n", kernel["op"].get<std::string>(),
                kernel["count"].get<std::int64_t>(), 1e6 * number(kernel, "seconds"),
                kernel["bytes"].get<std::int64_t>(), number(kernel, "bytes_per_second") / 1e9,
                number(kernel, "flops_per_second") / 1e9, kernel["first"].get<std::string>());
    };
    for (const Json& row : json.value("decode", Json::array())) {
        add("decode  batch {:>4} context {:>5} {:>10.3f} ms {:>9.1f} tokens/s {:>8.1f} GB/s{} {:>4} launches\n",
            row["batch"].get<std::int64_t>(), row["context"].get<std::int64_t>(), 1e3 * number(row, "seconds"),
            number(row, "tokens_per_second"), number(row, "bytes_per_second") / 1e9, share(row, "of_read_bandwidth"),
            row["launches"].get<std::int64_t>());
        kernels(row);
    }
    for (const Json& row : json.value("prefill", Json::array())) {
        add("prefill {:>6} tokens {:>19.3f} ms {:>9.1f} tokens/s {:>8.2f} TFLOP/s{}\n",
            row["tokens"].get<std::int64_t>(), 1e3 * number(row, "seconds"), number(row, "tokens_per_second"),
            number(row, "flops_per_second") / 1e12, share(row, "of_peak"));
        kernels(row);
    }
    if (json.contains("generate"))
        for (const auto& [field, what] : {std::pair{"seconds", "with"}, std::pair{"seconds_without_cache", "without"}})
            if (json["generate"].contains(field))
                add("generate {} tokens {} the KV cache: {:.3f} s\n", json["generate"]["tokens"].get<std::int64_t>(),
                    what, number(json["generate"], field));
    if (json.contains("limits"))
        add("reads {:.1f} GB/s, {:.0f} GFLOP/s, {:.0f} GOP/s of 8-bit numbers: what the machine does at most\n",
            number(json["limits"], "bytes_per_second") / 1e9, number(json["limits"], "flops_per_second") / 1e9,
            number(json["limits"], "integer_operations_per_second") / 1e9);
    if (json.contains("peak_memory_bytes"))
        add("at most {:.2f} GB of memory\n", number(json, "peak_memory_bytes") / 1e9);
    return out;
}

Cells cells_of(const Json& model, const Json& row, bool is_decode) {
    const auto number = [](const Json& from, const char* name, double unit, int digits) {
        return from.contains(name) ? fmt::format("{:.{}f}", from[name].get<double>() / unit, digits) : std::string();
    };
    const std::filesystem::path path = model["model"].get<std::string>();
    const std::string test = is_decode ? fmt::format("decode {} after {}", row["batch"].get<std::int64_t>(),
                                                     row["context"].get<std::int64_t>())
                                       : fmt::format("prefill {}", row["tokens"].get<std::int64_t>());
    const double deviation = row["deviation"].get<double>() * row["tokens_per_second"].get<double>();
    return {path.filename().string(),
            test,
            number(row, "tokens_per_second", 1, 2),
            fmt::format("{:.2f}", deviation),
            number(row, "bytes_per_second", 1e9, 1),
            number(row, "of_read_bandwidth", 0.01, 0),
            number(row, "flops_per_second", 1e9, 1),
            number(row, "of_peak", 0.01, 0),
            number(model, "load_seconds", 1, 2),
            number(model, "peak_memory_bytes", 1e9, 2)};
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

std::string bench_text(const std::vector<Json>& models) {
    std::string out;
    for (const Json& model : models) out += text_of(model);
    return out;
}

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
