#include "ops/attention_mask/attention_mask.h"

#include "ops/common/elements_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// out[t, c] = 0 where token t sees key c, else -inf; a block a token.
__global__ void attention_mask_kernel(const std::int32_t* positions, const std::int32_t* sequences,
                                      const std::int32_t* lengths, float* out, int count, int keys,
                                      std::int64_t window) {
    const std::int64_t position = positions[blockIdx.x];
    const std::int32_t sequence = sequences[blockIdx.x];
    if (sequence < 0 || sequence >= count) __trap();
    std::int64_t start = 0;  // of the token's own keys
    for (int s = 0; s < sequence; ++s) start += lengths[s];
    const std::int64_t end = start + min(position + 1, std::int64_t{lengths[sequence]});
    const std::int64_t begin = start + (window == 0 ? 0 : max(std::int64_t{0}, position - window + 1));
    float* row = out + std::int64_t(blockIdx.x) * keys;
    for (int c = int(threadIdx.x); c < keys; c += int(blockDim.x)) row[c] = c >= begin && c < end ? 0.0f : -INFINITY;
}

void run(const Call& call) {
    const Tensor &lengths = call.in(2), &out = call.out();
    if (out.elements() == 0) return;
    const int keys = kernel_int(out.dim(1));
    launch(attention_mask_kernel,
           {.name = "attention_mask",
            .grid = unsigned(kernel_int(out.dim(0))),
            .block = row_threads(keys, false),
            .stream = stream_of(call)},
           call.in(0).as<std::int32_t>(), call.in(1).as<std::int32_t>(), lengths.as<std::int32_t>(), out.as<float>(),
           kernel_int(lengths.dim(0)), keys, call.attributes.as<AttentionMask>().window);
}

}  // namespace

extern const KernelDef kAttentionMaskCuda{.op = "attention_mask", .run = run};

}  // namespace vitro::VITRO_DEVICE
