// The CPU's kernels with one of them made wrong, to see whether a fault is found where it is.
#pragma once

#include "ops/op_list.h"

#include <string_view>
#include <vector>

namespace vitro::test {

/// While it lives, `kernels()` are the CPU's, but that call number `index` of every `per_step` calls of `op` goes
/// through `fault` in place of the kernel. One at a time.
class FaultyKernels {
public:
    using Fault = void (*)(const Call& call, const KernelDef& real);

    FaultyKernels(std::string_view op, int index, int per_step, Fault fault)
        : kernels_(cpu_kernels().begin(), cpu_kernels().end()) {
        index_ = index;
        per_step_ = per_step;
        fault_ = fault;
        calls_ = 0;
        for (KernelDef& kernel : kernels_) {
            if (kernel.op != op) continue;
            real_ = *find_kernel(cpu_kernels(), op);
            kernel.run = run;
        }
    }

    std::span<const KernelDef> kernels() const { return kernels_; }

private:
    static void run(const Call& call) {
        if (calls_++ % per_step_ == index_)
            fault_(call, real_);
        else
            real_.run(call);
    }

    inline static int index_ = 0, per_step_ = 1, calls_ = 0;
    inline static Fault fault_ = nullptr;
    inline static KernelDef real_;
    std::vector<KernelDef> kernels_;
};

}  // namespace vitro::test
