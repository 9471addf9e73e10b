// What `vitro bench` measured, as a table.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace vitro {

/// A table with a row for each measurement of decode and prefill: Markdown's, or CSV.
std::string bench_table(const std::vector<nlohmann::ordered_json>& models, bool csv);

}  // namespace vitro
