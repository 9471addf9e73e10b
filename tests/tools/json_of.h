// What vitro prints with --json.
#pragma once

#include "tests/tools/process.h"

#include <nlohmann/json.hpp>

namespace vitro::test {

/// Of `vitro` with these arguments and --json; checks that it went well.
inline nlohmann::json json_of(std::vector<std::string> arguments) {
    arguments.push_back("--json");
    return nlohmann::json::parse(out_of(arguments));
}

}  // namespace vitro::test
