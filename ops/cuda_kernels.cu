#include "ops/cuda_kernels.h"

#include "backends/cuda/cuda.h"

namespace vitro::VITRO_DEVICE {

extern const KernelDef kAddCuda;
extern const KernelDef kArgmaxCuda;
extern const KernelDef kAttentionCuda;
extern const KernelDef kAttentionMaskCuda;
extern const KernelDef kCastCuda;
extern const KernelDef kConcatCuda;
extern const KernelDef kEmbedCuda;
extern const KernelDef kGatherRowsCuda;
extern const KernelDef kGeluCuda;
extern const KernelDef kKvAppendCuda;
extern const KernelDef kKvGatherCuda;
extern const KernelDef kLayerNormCuda;
extern const KernelDef kLinearCuda;
extern const KernelDef kMatmulCuda;
extern const KernelDef kMulCuda;
extern const KernelDef kQkvProjectionCuda;
extern const KernelDef kQkvRopeAppendCuda;
extern const KernelDef kReluCuda;
extern const KernelDef kRepeatCuda;
extern const KernelDef kRmsNormCuda;
extern const KernelDef kRopeCuda;
extern const KernelDef kSampleCuda;
extern const KernelDef kSiluCuda;
extern const KernelDef kSliceCuda;
extern const KernelDef kSoftmaxCuda;
extern const KernelDef kSplitCuda;
extern const KernelDef kTransposeCuda;

std::span<const KernelDef> kernels() {
    static const KernelDef all[] = {
        // clang-format off
        kAddCuda,
        kArgmaxCuda,
        kAttentionCuda,
        kAttentionMaskCuda,
        kCastCuda,
        kConcatCuda,
        kEmbedCuda,
        kGatherRowsCuda,
        kGeluCuda,
        kKvAppendCuda,
        kKvGatherCuda,
        kLayerNormCuda,
        kLinearCuda,
        kMatmulCuda,
        kMulCuda,
        kQkvProjectionCuda,
        kQkvRopeAppendCuda,
        kReluCuda,
        kRepeatCuda,
        kRmsNormCuda,
        kRopeCuda,
        kSampleCuda,
        kSiluCuda,
        kSliceCuda,
        kSoftmaxCuda,
        kSplitCuda,
        kTransposeCuda,
        // clang-format on
    };
    return all;
}

}  // namespace vitro::VITRO_DEVICE
