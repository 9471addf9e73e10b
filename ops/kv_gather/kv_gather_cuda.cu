#include "ops/kv_gather/kv_gather.h"

#include "ops/common/pages_cuda.h"
#include "ops/common/refuse_blocks.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// Row c of out, n elements, from the place of its position in the cache; a block a row.
__global__ void kv_gather_kernel(Elements cache, Elements out, const std::int32_t* lengths, const DevicePages pages,
                                 int n, bool wide) {
    int sequence = 0, position = int(blockIdx.x);
    while (sequence < pages.sequences && position >= lengths[sequence]) position -= lengths[sequence++];
    const std::int64_t from = pages.row(sequence, position) * n, to = std::int64_t(blockIdx.x) * n;
    each_in_row(n, wide, [&](int i, auto count) { store(out, to + i, load<count.value>(cache, from + i)); });
}

void run(const Call& call) {
    const Tensor &cache = call.in(KvGather::kCache), &out = call.out();
    if (out.elements() == 0) return;
    const int n = kernel_int(out.dim(1) * out.dim(2));
    const bool wide = takes_wide({&cache, &out}, n);
    launch(kv_gather_kernel,
           {.name = "kv_gather",
            .grid = unsigned(kernel_int(out.dim(0))),
            .block = row_threads(n, wide),
            .stream = stream_of(call)},
           elements_of(cache), elements_of(out), call.in(KvGather::kLengths).as<std::int32_t>(),
           DevicePages(cache, call.in(KvGather::kPageTable)), n, wide);
}

}  // namespace

extern const KernelDef kKvGatherCuda{.op = "kv_gather", .run = run, .refuses = refuse_blocks};

}  // namespace vitro::VITRO_DEVICE
