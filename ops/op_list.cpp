#include "ops/op_list.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <vector>

namespace vitro {

#define VITRO_OP(Name, on_cpu, on_cuda) extern const OpDef k##Name;
#include "ops/op_list.def"
#undef VITRO_OP

namespace {

std::vector<const OpDef*>& ops() {
    static std::vector<const OpDef*> list = {
#define VITRO_OP(Name, on_cpu, on_cuda) &k##Name,
#include "ops/op_list.def"
#undef VITRO_OP
    };
    return list;
}

const IsaKernels& kernels_in_use() {
    const Isa isa = isa_in_use();
    return *std::find_if(isa_kernels().begin(), isa_kernels().end(),
                         [&](const IsaKernels& one) { return one.isa == isa; });
}

std::vector<KernelDef>& kernels() {
    static std::vector<KernelDef> list = [] {
        const std::span<const KernelDef> all = kernels_in_use().kernels();
        return std::vector<KernelDef>(all.begin(), all.end());
    }();
    return list;
}

}  // namespace

std::span<const OpDef* const> all_ops() { return ops(); }

const OpDef* find_op(std::string_view name) {
    for (const OpDef* op : ops())
        if (op->name == name) return op;
    return nullptr;
}

Isa isa_in_use() {
    static const Isa isa = [] {
        std::vector<Isa> compiled;
        for (const IsaKernels& row : isa_kernels()) compiled.push_back(row.isa);
        const char* wanted = std::getenv("VITRO_ISA");
        return choose_isa(compiled, wanted == nullptr ? std::nullopt : std::optional<std::string_view>(wanted));
    }();
    return isa;
}

std::span<const KernelDef> cpu_kernels() { return kernels(); }
const CpuLimits& cpu_limits() { return *kernels_in_use().limits(); }

const KernelDef* find_kernel(std::span<const KernelDef> kernels, std::string_view op) {
    const auto found = std::find_if(kernels.begin(), kernels.end(), [&](const KernelDef& one) { return one.op == op; });
    return found == kernels.end() ? nullptr : &*found;
}

namespace {

/// Error for a definition that leaves out what every op has.
void require_whole(const OpDef* op) {
    if (op == nullptr) fail("an op: expected its definition, found none");
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789_";
    if (op->name.empty() || op->name.find_first_not_of(kLetters) != std::string_view::npos)
        fail("op '{}': expected a name of the letters a to z, digits and _", op->name);
    const auto require = [&](bool has, std::string_view field) {
        if (!has) fail("op {}: expected its definition to have {}, found none", op->name, field);
    };
    require(op->infer != nullptr, "infer");
    require(op->parse_attributes != nullptr, "parse_attributes");
    require(op->reference != nullptr, "reference");
    require(op->examples != nullptr, "examples");
}

void require_op(const KernelDef& kernel) {
    if (find_op(kernel.op) == nullptr) fail("a kernel for {}: there is no op of this name", kernel.op);
    if (kernel.run == nullptr) fail("a kernel for {}: expected a function to run, found none", kernel.op);
}

std::vector<KernelDef>& added_for(std::string_view gpu) {
    static std::map<std::string, std::vector<KernelDef>, std::less<>> added;
    return added[std::string(gpu)];
}

}  // namespace

void add_ops(std::span<const OpDef* const> more, std::span<const KernelDef> cpu) {
    for (const OpDef* op : more) {
        require_whole(op);
        if (find_op(op->name) != nullptr) fail("op {}: there already is one of this name", op->name);
        const auto at =
            std::find_if(ops().begin(), ops().end(), [&](const OpDef* other) { return other->name > op->name; });
        ops().insert(at, op);
    }
    for (const KernelDef& kernel : cpu) {
        require_op(kernel);
        kernels().push_back(kernel);
    }
}

void add_gpu_kernels(std::string_view gpu, std::span<const KernelDef> more) {
    if (more.empty()) return;
    if (gpu != "cuda" && gpu != "cuda-emulated")
        fail("kernels for the device '{}': expected cuda or cuda-emulated", gpu);
    for (const KernelDef& kernel : more) {
        require_op(kernel);
        added_for(gpu).push_back(kernel);
    }
}

std::span<const KernelDef> added_gpu_kernels(std::string_view gpu) { return added_for(gpu); }

}  // namespace vitro
