// Chat templates, rendered for a conversation with tools.
#include "frontend/jinja/template.h"
#include "tests/fuzz/fuzz.h"

using namespace vitro;

namespace {

constexpr const char* kVariables = R"({
  "messages": [{"role": "user", "content": "Hé \n x", "n": 1.5},
               {"role": "assistant", "content": null,
                "tool_calls": [{"function": {"name": "f", "arguments": {"a": [1, true, null], "b": "c"}}}]}],
  "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
  "add_generation_prompt": true, "bos_token": "<s>", "i": 7, "l": [3, 1, 2], "s": "a b", "d": {"k": 1}})";

jinja::Variables variables() {
    jinja::Variables all;
    for (const auto& [name, value] : JsonValue::parse(kVariables, "variables").members())
        all.emplace_back(std::string(name), jinja::Value::of(value));
    return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const jinja::Variables all = variables();
    const jinja::Limits limits{.max_steps = 100'000, .max_bytes = 2'000'000};
    fuzz::expect_value_or_error([&] {
        const std::string_view source(reinterpret_cast<const char*>(data), size);
        const std::string text = jinja::Template(source, "fuzz.jinja", limits).render(all, 0);
        fuzz::require(text.size() <= limits.max_bytes, "a text beyond the limit");
    });
    return 0;
}
