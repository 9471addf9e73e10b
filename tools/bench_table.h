// What `vitro bench` measured, for people and for other programs.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace vitro {

/// Lines of text, model by model.
std::string bench_text(const std::vector<nlohmann::ordered_json>& models);

/// A table with a row for each measurement of decode and prefill: Markdown's, or CSV.
std::string bench_table(const std::vector<nlohmann::ordered_json>& models, bool csv);

}  // namespace vitro
