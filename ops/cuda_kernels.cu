#include "ops/cuda_kernels.h"

#include "backends/cuda/cuda.h"

// Of the rows of op_list.def, what is for CUDA.
#define VITRO_WITH_NONE(...)
#define VITRO_WITH_CUDA(...) __VA_ARGS__

namespace vitro::VITRO_DEVICE {

#define VITRO_OP(Name, on_cpu, on_cuda) VITRO_WITH_##on_cuda(extern const KernelDef k##Name##Cuda;)
#include "ops/op_list.def"
#undef VITRO_OP

std::span<const KernelDef> kernels() {
    static const KernelDef all[] = {
#define VITRO_OP(Name, on_cpu, on_cuda) VITRO_WITH_##on_cuda(k##Name##Cuda, )
#include "ops/op_list.def"
#undef VITRO_OP
    };
    return all;
}

}  // namespace vitro::VITRO_DEVICE
