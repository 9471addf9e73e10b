// vitro ops: the ops there are, and whether they keep what every op must.
#include "base/json_text.h"
#include "base/nearest.h"
#include "ops/check/op_check.h"
#include "ops/op_list.h"
#include "tools/common.h"
#include "tools/cuda_report.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <map>
#include <regex>

namespace vitro {
namespace {

struct Flags {
    std::string name;
    ModelFlags device;
    bool check = false;
    bool json = false;
    bool cuda_report = false;
};

bool on_cpu(const OpDef& op) {
    return op.is_view || std::any_of(cpu_kernels().begin(), cpu_kernels().end(),
                                     [&](const KernelDef& kernel) { return kernel.op == op.name; });
}

std::string kind(const OpDef& op) { return op.decompose != nullptr ? "fused" : op.is_view ? "view" : "primitive"; }

std::vector<const OpDef*> chosen_ops(const std::string& name) {
    if (name.empty()) return {all_ops().begin(), all_ops().end()};
    const OpDef* op = find_op(name);
    if (op == nullptr) {
        std::vector<std::string_view> known;
        for (const OpDef* each : all_ops()) known.push_back(each->name);
        const std::string hint = did_you_mean(name, known);
        fail_usage("no op is called '{}'{}", name, hint.empty() ? ": vitro ops lists those there are" : hint);
    }
    return {op};
}

/// A complaint without numbers, shapes and types: those alike but for these are one finding.
std::string kind_of_complaint(const std::string& complaint) {
    static const std::regex shape("\\[[^\\]]*\\]"), type("\\b(bf16|f16|f32)\\b"),
        number("-?[0-9]+(\\.[0-9]+)?(e[-+]?[0-9]+)?|nan|-?inf");
    return std::regex_replace(std::regex_replace(std::regex_replace(complaint, shape, ""), type, ""), number, "#");
}

/// Complaints in order, the first of each kind, with how many more there are of it.
std::string folded(const check::CheckResult& result) {
    std::vector<std::pair<std::string, std::size_t>> kinds;  // of the first one, how many
    std::map<std::string, std::size_t> index;
    for (const std::string& complaint : result.complaints) {
        const auto [at, is_new] = index.emplace(kind_of_complaint(complaint), kinds.size());
        if (is_new) kinds.emplace_back(complaint, 0);
        ++kinds[at->second].second;
    }
    std::string out;
    for (const auto& [complaint, count] : kinds)
        out += fmt::format("    {}: {}{}\n", result.name, complaint,
                           count > 1 ? fmt::format(" (and {} more like it)", count - 1) : "");
    return out;
}

/// Runs the checks; whether all passed.
bool run_checks(const Flags& flags) {
    constexpr int kDraws = 3;
    const Devices devices = open_devices(flags.device);
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    std::size_t ops = 0, failed = 0;
    for (const OpDef* op : chosen_ops(flags.name)) {
        bool passed = true;
        nlohmann::ordered_json checks = nlohmann::ordered_json::array();
        std::string cases, complaints;
        for (const check::CheckResult& result : check::check_op(*op, devices.targets, kDraws)) {
            passed &= result.complaints.empty();
            checks.push_back({{"name", result.name}, {"cases", result.cases}, {"complaints", result.complaints}});
            cases += fmt::format("{}{} {}", cases.empty() ? "" : ", ", result.name, result.cases);
            complaints += folded(result);
        }
        ++ops;
        failed += passed ? 0 : 1;
        json.push_back({{"op", op->name}, {"passed", passed}, {"checks", checks}});
        if (!flags.json) print_out("{:<18} {}: {}\n{}", op->name, passed ? "passed" : "FAILED", cases, complaints);
    }
    if (flags.json)
        print_out("{}\n", json_text(json, 2));
    else if (ops > 1)
        print_out("{} ops, {} failed\n", ops, failed);
    return failed == 0;
}

std::string_view name(InputRole role) {
    static constexpr std::string_view kNames[] = {
        "values", "shared by all rows", "rows", "positions", "sequences", "pages", "lengths", "total lengths"};
    return kNames[static_cast<std::size_t>(role)];
}

/// Inputs with what they hold, and attributes with kind, range and default.
void print_details(const OpDef& op) {
    if (!op.inputs.empty()) print_out("  inputs\n");
    for (const InputDef& input : op.inputs) {
        const std::string of = input.of.empty() ? "" : fmt::format(" of {}", input.of);
        print_out("    {:<16} {}{}{}\n", input.name, name(input.role), of, input.is_optional ? ", optional" : "");
    }
    const std::vector<AttributeField> fields = op.parse_attributes({}).fields();
    if (!fields.empty()) print_out("  attributes\n");
    for (const AttributeField& field : fields)
        print_out("    {:<16} {}{}{}, by default {}\n", field.name, field.kind, field.range.empty() ? "" : ", ",
                  field.range, field.value.empty() ? "\"\"" : field.value);
}

nlohmann::ordered_json details_json(const OpDef& op) {
    nlohmann::ordered_json attributes = nlohmann::json::array();
    for (const AttributeField& field : op.parse_attributes({}).fields())
        attributes.push_back(
            {{"name", field.name}, {"kind", field.kind}, {"range", field.range}, {"default", field.value}});
    return attributes;
}

void ops(const Flags& flags) {
    constexpr std::size_t kWidth = 96;
    const std::vector<const OpDef*> chosen = chosen_ops(flags.name);
    if (flags.cuda_report) return print_cuda_report(chosen, flags.json);
    if (flags.json) {
        nlohmann::ordered_json json = nlohmann::json::array();
        for (const OpDef* op : chosen)
            json.push_back({{"name", op->name},
                            {"kind", kind(*op)},
                            {"doc", op->doc},
                            {"inputs", input_names(*op)},
                            {"attributes", details_json(*op)},
                            {"cpu", on_cpu(*op)}});
        print_out("{}\n", json_text(json, 2));
        return;
    }
    for (const OpDef* op : chosen) {
        print_out("{}({}{})  {}\n    {}\n", op->name, fmt::join(input_names(*op), ", "), op->variadic ? ", …" : "",
                  kind(*op), wrapped(op->doc, kWidth, 4));
        if (!flags.name.empty()) print_details(*op);
    }
}

}  // namespace

void add_ops(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command =
        line.add("ops", "list the ops and what they compute, or check them\nExample: vitro ops --check rope", [flags] {
            if (flags->check) return run_checks(*flags) ? 0 : 1;
            ops(*flags);
            return 0;
        });
    command.option("name", flags->name, "only this op (default: all)", "NAME");
    command.flag("--json", flags->json, "print JSON");
    command.flag("--cuda-report", flags->cuda_report,
                 "print the memory accesses of the CUDA kernels: 32-byte sectors and bank conflicts, counted by the "
                 "emulation on calls as models make them");
    command.flag("--check", flags->check,
                 "run the checks that every op must pass: kernels against the reference, decomposition, text form, "
                 "errors; prints how many cases each check ran");
    add_device_flags(command, flags->device);
}

}  // namespace vitro
