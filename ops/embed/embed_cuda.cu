#include "ops/embed/embed.h"

#include "ops/common/blocks_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// out[t, :] = table[tokens[t], :], n elements; a block for a part of a row: blockIdx.x is the token.
__global__ void embed_kernel(const std::int32_t* tokens, Elements table, Elements out, int n, bool wide) {
    const std::int64_t from = std::int64_t(tokens[blockIdx.x]) * n, to = std::int64_t(blockIdx.x) * n;
    each_in_row(n, wide, [&](int i, auto count) { store(out, to + i, load<count.value>(table, from + i)); });
}

/// The same of a table in blocks; a thread for kWide columns.
template <DType kBlocks>
__global__ void embed_blocks_kernel(const std::int32_t* tokens, const std::uint8_t* table, Elements out, int n) {
    constexpr int kColumns = int(block_columns(kBlocks)), kBytes = int(info(kBlocks).block_bytes);
    const std::uint8_t* const row = table + std::int64_t(tokens[blockIdx.x]) * (n / kColumns) * kBytes;
    for (int i = int(threadIdx.x) * kWide; i < n; i += int(blockDim.x) * kWide)
        store(out, std::int64_t(blockIdx.x) * n + i,
              block_values<kBlocks>(BlockInRow<kBlocks>{row + i / kColumns * kBytes}, i % kColumns));
}

void run(const Call& call) {
    const Tensor &tokens = call.in(0), &table = call.in(1), &out = call.out();
    if (out.elements() == 0) return;
    const int n = kernel_int(table.dim(1));
    if (is_block_quantized(table.dtype)) {
        with_blocks(table.dtype, [&](auto type) {
            launch(embed_blocks_kernel<type.value>,
                   {.name = "embed",
                    .grid = unsigned(kernel_int(tokens.dim(0))),
                    .block = row_threads(n, true),
                    .stream = stream_of(call)},
                   tokens.as<std::int32_t>(), table.as<std::uint8_t>(), elements_of(out), n);
        });
        return;
    }
    const bool wide = takes_wide({&table, &out}, n);
    launch(embed_kernel,
           {.name = "embed",
            .grid = unsigned(kernel_int(tokens.dim(0))),
            .block = row_threads(n, wide),
            .stream = stream_of(call)},
           tokens.as<std::int32_t>(), elements_of(table), elements_of(out), n, wide);
}

std::string refuses(std::span<const TensorType> inputs, std::span<const TensorType>, const Attributes&) {
    const DType table = inputs[1].dtype;
    return info(table).storage == Storage::plain ? std::string{} : refuse_type_of_blocks(table);
}

}  // namespace

extern const KernelDef kEmbedCuda{.op = "embed", .run = run, .refuses = refuses};

}  // namespace vitro::VITRO_DEVICE
