// JSON files: config.json, tokenizer.json, the headers of safetensors files.
#include "frontend/json.h"
#include "tests/fuzz/fuzz.h"

using namespace vitro;

namespace {

/// Reads all of a value, by each accessor that its kind allows.
std::size_t read_all(const JsonValue& value) {
    std::size_t seen = 1;
    if (value.is_string()) seen += value.string().size();
    if (value.is_number()) seen += value.number() != 0;
    if (value.is_boolean()) seen += value.boolean();
    if (value.is_array())
        for (const JsonValue& element : value.array()) seen += read_all(element);
    if (value.is_object())
        for (const auto& [key, member] : value.members()) {
            seen += key.size() + read_all(member);
            fuzz::require(value.find(key).has_value(), "a member that is not found by its key", std::string(key));
        }
    return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    fuzz::expect_value_or_error([&] { read_all(JsonValue::parse(text, "fuzz.json")); });
    return 0;
}
