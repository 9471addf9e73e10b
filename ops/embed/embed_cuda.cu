#include "ops/embed/embed.h"

#include "ops/common/elements_cuda.h"
#include "ops/common/refuse_blocks.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// out[t, :] = table[tokens[t], :], n elements; a block for a part of a row: blockIdx.x is the token.
__global__ void embed_kernel(const std::int32_t* tokens, Elements table, Elements out, int n, bool wide) {
    const std::int64_t from = std::int64_t(tokens[blockIdx.x]) * n, to = std::int64_t(blockIdx.x) * n;
    each_in_row(n, wide, [&](int i, auto count) { store(out, to + i, load<count.value>(table, from + i)); });
}

void run(const Call& call) {
    const Tensor &tokens = call.in(0), &table = call.in(1), &out = call.out();
    if (out.elements() == 0) return;
    const int n = kernel_int(table.dim(1));
    const bool wide = takes_wide({&table, &out}, n);
    launch(embed_kernel,
           {.name = "embed",
            .grid = unsigned(kernel_int(tokens.dim(0))),
            .block = row_threads(n, wide),
            .stream = stream_of(call)},
           tokens.as<std::int32_t>(), elements_of(table), elements_of(out), n, wide);
}

}  // namespace

extern const KernelDef kEmbedCuda{.op = "embed", .run = run, .refuses = refuse_blocks};

}  // namespace vitro::VITRO_DEVICE
