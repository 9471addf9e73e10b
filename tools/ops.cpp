// vitro ops: the ops there are.
#include "ops/op_list.h"
#include "tools/common.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace vitro {
namespace {

struct Flags {
    std::string name;
    bool json = false;
};

bool on_cpu(const OpDef& op) {
    return op.is_view || std::any_of(cpu_kernels().begin(), cpu_kernels().end(),
                                     [&](const KernelDef& kernel) { return kernel.op == op.name; });
}

std::string kind(const OpDef& op) { return op.decompose != nullptr ? "fused" : op.is_view ? "view" : "primitive"; }

void ops(const Flags& flags) {
    std::vector<const OpDef*> chosen(all_ops().begin(), all_ops().end());
    if (!flags.name.empty()) {
        const OpDef* op = find_op(flags.name);
        if (op == nullptr) fail("no op is called '{}': `vitro ops` lists those there are", flags.name);
        chosen = {op};
    }
    if (flags.json) {
        nlohmann::ordered_json json = nlohmann::json::array();
        for (const OpDef* op : chosen)
            json.push_back({{"name", op->name},
                            {"kind", kind(*op)},
                            {"doc", op->doc},
                            {"inputs", op->inputs},
                            {"cpu", on_cpu(*op)}});
        fmt::print("{}\n", json.dump(2));
        return;
    }
    for (const OpDef* op : chosen)
        fmt::print("{}({}{})  {}\n    {}\n", op->name, fmt::join(op->inputs, ", "), op->variadic ? ", …" : "",
                   kind(*op), op->doc);
}

}  // namespace

void add_ops(CLI::App& app, int&) {
    auto flags = std::make_shared<Flags>();
    CLI::App* command = app.add_subcommand("ops", "list the ops with their meaning\nExample: vitro ops rope");
    command->add_option("name", flags->name, "only this one")->type_name("NAME");
    command->add_flag("--json", flags->json, "print JSON");
    command->callback([flags] { ops(*flags); });
}

}  // namespace vitro
