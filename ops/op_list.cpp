#include "ops/op_list.h"

#include "graph/copy.h"
#include "ops/add/add.h"
#include "ops/add_rms_norm/add_rms_norm.h"
#include "ops/argmax/argmax.h"
#include "ops/attention/attention.h"
#include "ops/attention_mask/attention_mask.h"
#include "ops/cast/cast.h"
#include "ops/concat/concat.h"
#include "ops/embed/embed.h"
#include "ops/gather_rows/gather_rows.h"
#include "ops/gelu/gelu.h"
#include "ops/kv_append/kv_append.h"
#include "ops/kv_gather/kv_gather.h"
#include "ops/layer_norm/layer_norm.h"
#include "ops/linear/linear.h"
#include "ops/matmul/matmul.h"
#include "ops/mul/mul.h"
#include "ops/qkv_projection/qkv_projection.h"
#include "ops/qkv_rope_append/qkv_rope_append.h"
#include "ops/relu/relu.h"
#include "ops/repeat/repeat.h"
#include "ops/reshape/reshape.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/rope/rope.h"
#include "ops/sample/sample.h"
#include "ops/silu/silu.h"
#include "ops/slice/slice.h"
#include "ops/softmax/softmax.h"
#include "ops/split/split.h"
#include "ops/transpose/transpose.h"

namespace vitro {

std::span<const OpDef* const> all_ops() {
    static const OpDef* const ops[] = {
        // clang-format off
        &kAdd,
        &kAddRmsNorm,
        &kArgmax,
        &kAttention,
        &kAttentionMask,
        &kCast,
        &kConcat,
        &kCopy,
        &kEmbed,
        &kGatherRows,
        &kGelu,
        &kKvAppend,
        &kKvGather,
        &kLayerNorm,
        &kLinear,
        &kMatmul,
        &kMul,
        &kQkvProjection,
        &kQkvRopeAppend,
        &kRelu,
        &kRepeat,
        &kReshape,
        &kRmsNorm,
        &kRope,
        &kSample,
        &kSilu,
        &kSlice,
        &kSoftmax,
        &kSplit,
        &kTranspose,
        // clang-format on
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
        // clang-format off
        kAddCpu,
        kAddRmsNormCpu,
        kArgmaxCpu,
        kAttentionCpu,
        kAttentionMaskCpu,
        kCastCpu,
        kConcatCpu,
        kEmbedCpu,
        kGatherRowsCpu,
        kGeluCpu,
        kKvAppendCpu,
        kKvGatherCpu,
        kLayerNormCpu,
        kLinearCpu,
        kMatmulCpu,
        kMulCpu,
        kQkvRopeAppendCpu,
        kReluCpu,
        kRepeatCpu,
        kRmsNormCpu,
        kRopeCpu,
        kSampleCpu,
        kSiluCpu,
        kSliceCpu,
        kSoftmaxCpu,
        kSplitCpu,
        kTransposeCpu,
        // clang-format on
    };
    return kernels;
}

}  // namespace vitro
