#include "tools/model_spec.h"

#include "passes/passes.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace vitro {
namespace {

void one_of(std::string_view side, std::string_view key, const std::string& value,
            std::span<const std::string_view> words) {
    if (std::find(words.begin(), words.end(), value) == words.end())
        fail_usage("{}: {}: expected one of {}, found '{}'", side, key, fmt::join(words, ", "), value);
}

constexpr std::string_view kActivations[] = {"auto", "f32", "f16", "bf16"}, kYesOrNo[] = {"yes", "no"};

void take_passes(std::string_view side, std::string text, PipelineOptions& options) {
    if (text.starts_with("none")) {
        for (const Pass& pass : all_passes()) options.disabled.emplace(pass.name);
        text.erase(0, 4);
    }
    while (!text.empty()) {
        const char sign = text[0];
        const std::size_t end = std::min(text.find_first_of("+-", 1), text.size());
        const std::string name = text.substr(1, end - 1);
        const auto pass =
            std::find_if(all_passes().begin(), all_passes().end(), [&](const Pass& one) { return one.name == name; });
        if ((sign != '+' && sign != '-') || pass == all_passes().end())
            fail_usage("{}: passes: expected none, or names of passes with + or - before each, found '{}'", side, text);
        if (sign == '-') {
            options.disabled.emplace(name);
        } else {
            options.disabled.erase(name);
            if (pass->optional) options.enabled.emplace(name);
        }
        text.erase(0, end);
    }
}

}  // namespace

ModelSpec parse_model_spec(std::string_view side, const std::string& text, const ModelFlags& shared) {
    ModelSpec out{shared, {}};
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find(',', at), text.size()), equals = text.find('=', at);
        if (equals >= end)
            fail_usage("{}: expected KEY=VALUE, apart by commas, found '{}'", side, text.substr(at, end - at));
        const std::string key = text.substr(at, equals - at), value = text.substr(equals + 1, end - equals - 1);
        at = end + 1;
        if (key == "model") {
            out.model.directory = named_model(value);
        } else if (key == "device") {
            if (const std::string wrong = why_no_device(value); !wrong.empty())
                fail_usage("{}: device: {}", side, wrong);
            out.model.device = value;
        } else if (key == "threads") {
            try {
                out.model.threads = static_cast<int>(parse_whole(value, {1, 1024}));
            } catch (const Error& error) {
                fail_usage("{}: threads: {}", side, error.what());
            }
        } else if (key == "cpu-kernels") {
            out.model.cpu_kernels = value;
        } else if (key == "weights") {
            one_of(side, key, value, kWeightsChoices);
            out.model.weights = value;
        } else if (key == "activations") {
            one_of(side, key, value, kActivations);
            out.model.activations = value;
        } else if (key == "kv-type") {
            one_of(side, key, value, kKvTypeChoices);
            out.model.kv_type = value;
        } else if (key == "exact") {
            one_of(side, key, value, kYesOrNo);
            out.model.exact = value == "yes";
        } else if (key == "passes") {
            take_passes(side, value, out.passes);
        } else {
            fail_usage(
                "{}: expected model, device, threads, cpu-kernels, weights, activations, kv-type, exact or passes, "
                "found "
                "'{}'",
                side, key);
        }
    }
    return out;
}

std::string text_of(const ModelSpec& spec) {
    const ModelFlags& flags = spec.model;
    std::string out = fmt::format("{}, {}", flags.directory.string(), flags.device);
    const auto add = [&](std::string_view key, std::string_view value, std::string_view usual) {
        if (value != usual) out += fmt::format(", {} {}", key, value);
    };
    add("cpu-kernels", flags.cpu_kernels, "");
    add("weights", flags.weights, "stored");
    add("activations", flags.activations, "auto");
    add("kv-type", flags.kv_type, "auto");
    if (flags.exact) out += ", exact";
    if (spec.passes.disabled.size() == all_passes().size())
        out += ", no passes";
    else if (!spec.passes.disabled.empty())
        out += fmt::format(", without {}", fmt::join(spec.passes.disabled, ", "));
    if (!spec.passes.enabled.empty()) out += fmt::format(", with {}", fmt::join(spec.passes.enabled, ", "));
    return out;
}

}  // namespace vitro
