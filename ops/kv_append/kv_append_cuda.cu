#include "ops/kv_append/kv_append.h"

#include "ops/common/pages_cuda.h"
#include "ops/common/refuse_blocks.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// Row t of x, n elements, to its place in the cache; a block a token.
__global__ void kv_append_kernel(Elements x, Elements cache, const std::int32_t* positions,
                                 const std::int32_t* sequences, const DevicePages pages, int n, bool wide) {
    const std::int64_t from = std::int64_t(blockIdx.x) * n,
                       to = pages.row(sequences[blockIdx.x], positions[blockIdx.x]) * n;
    each_in_row(n, wide, [&](int i, auto count) { store(cache, to + i, load<count.value>(x, from + i)); });
}

void run(const Call& call) {
    const Tensor &x = call.in(KvAppend::kX), &cache = call.out();
    VITRO_CHECK(cache.data == call.in(KvAppend::kCache).data, "the next state stands elsewhere");
    if (x.elements() == 0) return;
    const int n = kernel_int(x.dim(1) * x.dim(2));
    const bool wide = takes_wide({&x, &cache}, n);
    launch(kv_append_kernel,
           {.name = "kv_append",
            .grid = unsigned(kernel_int(x.dim(0))),
            .block = row_threads(n, wide),
            .stream = stream_of(call)},
           elements_of(x), elements_of(cache), call.in(KvAppend::kPositions).as<std::int32_t>(),
           call.in(KvAppend::kSequences).as<std::int32_t>(), DevicePages(cache, call.in(KvAppend::kPageTable)), n,
           wide);
}

}  // namespace

extern const KernelDef kKvAppendCuda{.op = "kv_append", .run = run, .refuses = refuse_blocks};

}  // namespace vitro::VITRO_DEVICE
