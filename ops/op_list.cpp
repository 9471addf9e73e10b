#include "ops/op_list.h"

#include "ops/add/add.h"
#include "ops/matmul/matmul.h"

namespace vitro {

std::span<const OpDef* const> all_ops() {
    static const OpDef* const ops[] = {
        &kAdd,
        &kMatmul,
    };
    return ops;
}

const OpDef* find_op(std::string_view name) {
    for (const OpDef* op : all_ops())
        if (op->name == name) return op;
    return nullptr;
}

std::span<const KernelDef> cpu_kernels() {
    static const KernelDef kernels[] = {
        kAddCpu,
        kMatmulCpu,
    };
    return kernels;
}

}  // namespace vitro
