#include "ops/attention_mask/attention_mask.h"

#include "ops/common/elements_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// out[t, c] = 0 where token t sees key c, else -inf; a block for each token.
__global__ void attention_mask_kernel(const std::int32_t* positions, const std::int32_t* sequences,
                                      const std::int32_t* lengths, float* out, int keys, const Visibility visibility) {
    const std::int32_t sequence = sequences[blockIdx.x];
    std::int64_t start = 0;  // of the token's own keys
    for (int s = 0; s < sequence; ++s) start += lengths[s];
    const Range seen = visibility.range(positions[blockIdx.x], lengths[sequence]);
    float* row = out + std::int64_t(blockIdx.x) * keys;
    for (int c = int(threadIdx.x); c < keys; c += int(blockDim.x))
        row[c] = c >= start + seen.begin && c < start + seen.end && visibility.sees(positions[blockIdx.x], c - start)
                     ? 0.0f
                     : -INFINITY;
}

void run(const Call& call) {
    const Tensor& out = call.out();
    if (out.elements() == 0) return;
    const int keys = kernel_int(out.dim(1));
    launch(attention_mask_kernel,
           {.name = "attention_mask",
            .grid = unsigned(kernel_int(out.dim(0))),
            .block = row_threads(keys, false),
            .stream = stream_of(call)},
           call.in(AttentionMask::kPositions).as<std::int32_t>(), call.in(AttentionMask::kSequences).as<std::int32_t>(),
           call.in(AttentionMask::kLengths).as<std::int32_t>(), out.as<float>(), keys,
           call.attributes.as<AttentionMask>().visibility);
}

}  // namespace

extern const KernelDef kAttentionMaskCuda{.op = "attention_mask", .run = run};

}  // namespace vitro::VITRO_DEVICE
