// vitro ops: the ops there are, and whether they keep what every op must.
#include "base/nearest.h"
#include "ops/check/op_check.h"
#include "ops/op_list.h"
#include "tools/common.h"
#include "tools/cuda_report.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

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

/// Runs the checks; whether all passed.
bool run_checks(const Flags& flags) {
    constexpr int kDraws = 3;
    const Devices devices = open_devices(flags.device);
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    bool all_passed = true;
    for (const OpDef* op : chosen_ops(flags.name)) {
        bool passed = true;
        nlohmann::ordered_json checks = nlohmann::ordered_json::array();
        std::string line = fmt::format("{:<18}", op->name), complaints;
        for (const check::CheckResult& result : check::check_op(*op, devices.targets, kDraws)) {
            passed &= result.complaints.empty();
            checks.push_back({{"name", result.name}, {"cases", result.cases}, {"complaints", result.complaints}});
            line += fmt::format(" {} {}{}", result.name, result.cases, result.complaints.empty() ? "" : " FAILED");
            for (const std::string& complaint : result.complaints)
                complaints += fmt::format("    {}: {}\n", result.name, complaint);
        }
        all_passed &= passed;
        json.push_back({{"op", op->name}, {"passed", passed}, {"checks", checks}});
        if (!flags.json) print_out("{}\n{}", line, complaints);
    }
    if (flags.json) print_out("{}\n", json.dump(2));
    return all_passed;
}

void ops(const Flags& flags) {
    const std::vector<const OpDef*> chosen = chosen_ops(flags.name);
    if (flags.cuda_report) return print_cuda_report(chosen, flags.json);
    if (flags.json) {
        nlohmann::ordered_json json = nlohmann::json::array();
        for (const OpDef* op : chosen)
            json.push_back({{"name", op->name},
                            {"kind", kind(*op)},
                            {"doc", op->doc},
                            {"inputs", input_names(*op)},
                            {"cpu", on_cpu(*op)}});
        print_out("{}\n", json.dump(2));
        return;
    }
    for (const OpDef* op : chosen)
        print_out("{}({}{})  {}\n    {}\n", op->name, fmt::join(input_names(*op), ", "), op->variadic ? ", …" : "",
                  kind(*op), op->doc);
}

}  // namespace

void add_ops(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command =
        line.add("ops", "list the ops with their meaning, or check them\nExample: vitro ops --check rope", [flags] {
            if (flags->check) return run_checks(*flags) ? 0 : 1;
            ops(*flags);
            return 0;
        });
    command.option("name", flags->name, "only this one", "NAME");
    command.flag("--json", flags->json, "print JSON");
    command.flag("--cuda-report", flags->cuda_report,
                 "what the CUDA kernels ask of memory: 32-byte sectors and bank conflicts, counted in the emulation on "
                 "calls as models make them");
    command.flag("--check", flags->check,
                 "run what must hold for every op: kernels against the reference, decomposition, text, refusals; the "
                 "numbers are the cases of each check");
    add_device_flags(command, flags->device);
}

}  // namespace vitro
