#include "ops/op_list.h"

#include <algorithm>
#include <vector>

// Of the rows of op_list.def, what is for the CPU.
#define VITRO_WITH_NONE(...)
#define VITRO_WITH_CPU(...) __VA_ARGS__

namespace vitro {

#define VITRO_OP(Name, on_cpu, on_cuda) \
    extern const OpDef k##Name;         \
    VITRO_WITH_##on_cpu(extern const KernelDef k##Name##Cpu;)
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

std::vector<KernelDef>& kernels() {
    static std::vector<KernelDef> list = {
#define VITRO_OP(Name, on_cpu, on_cuda) VITRO_WITH_##on_cpu(k##Name##Cpu, )
#include "ops/op_list.def"
#undef VITRO_OP
    };
    return list;
}

}  // namespace

std::span<const OpDef* const> all_ops() { return ops(); }

const OpDef* find_op(std::string_view name) {
    for (const OpDef* op : ops())
        if (op->name == name) return op;
    return nullptr;
}

std::span<const KernelDef> cpu_kernels() { return kernels(); }

void add_ops(std::span<const OpDef* const> more, std::span<const KernelDef> cpu) {
    for (const OpDef* op : more) {
        if (find_op(op->name) != nullptr) fail("op {}: there is one of this name already", op->name);
        const auto at =
            std::find_if(ops().begin(), ops().end(), [&](const OpDef* other) { return other->name > op->name; });
        ops().insert(at, op);
    }
    for (const KernelDef& kernel : cpu) {
        if (find_op(kernel.op) == nullptr) fail("a kernel for {}: there is no op of this name", kernel.op);
        kernels().push_back(kernel);
    }
}

}  // namespace vitro
