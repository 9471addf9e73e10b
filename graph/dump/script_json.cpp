#include "graph/dump/script_json.h"

#include "base/json_text.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace vitro {

std::string ends_no_script(std::string_view json) {
    std::string out;
    for (const char c : json) c == '<' ? out += "\\u003c" : out += c;
    return out;
}

std::string json_string(std::string_view text) {
    const auto stands_as_it_is = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\' && c != '<'; };
    if (std::all_of(text.begin(), text.end(), stands_as_it_is)) return std::string("\"").append(text) += '"';
    return ends_no_script(json_text(nlohmann::json(text)));
}

std::string json_object(const std::vector<std::string>& members) {
    std::string out = "{";
    for (const std::string& member : members) {
        if (out.size() > 1) out += ',';
        out += member;
    }
    return out += '}';
}

}  // namespace vitro
