// Every op there is, and its kernels for the CPU: the rows of op_list.def, and what plugins add.
#pragma once

#include "backends/cpu/isa.h"
#include "backends/cpu/limits.h"
#include "graph/op_def.h"

#include <span>

namespace vitro {

/// All ops, by name.
std::span<const OpDef* const> all_ops();

/// The op with this name, or null.
const OpDef* find_op(std::string_view name);

/// What was compiled for one instruction set: the kernels, and what measures the CPU with it.
struct IsaKernels {
    Isa isa;
    // Only to be called where the CPU runs the set.
    std::span<const KernelDef> (*kernels)();
    const CpuLimits* (*limits)();
};
/// Of every set that this binary has, from the plainest to the best.
std::span<const IsaKernels> isa_kernels();

/// The set that cpu_kernels() are of: the one that the environment variable VITRO_ISA names, else the best that this
/// CPU runs. Error when that variable names none of those.
Isa isa_in_use();

/// The CPU's kernels.
std::span<const KernelDef> cpu_kernels();
/// What measures the CPU, compiled for the same set.
const CpuLimits& cpu_limits();

/// The first of `kernels` that is for the op of this name, or null.
const KernelDef* find_kernel(std::span<const KernelDef> kernels, std::string_view op);

/// Adds ops from outside the tree and kernels of any op, before anything else is asked for here: what the other
/// functions gave is no longer valid. Error when a name is taken or a kernel has no op.
void add_ops(std::span<const OpDef* const> ops, std::span<const KernelDef> cpu_kernels);

/// The same of kernels for a GPU, "cuda" or "cuda-emulated", whose own kernels are elsewhere (ops/cuda_kernels.h).
void add_gpu_kernels(std::string_view gpu, std::span<const KernelDef> kernels);
/// Those that were added for this GPU.
std::span<const KernelDef> added_gpu_kernels(std::string_view gpu);

}  // namespace vitro
