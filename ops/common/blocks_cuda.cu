#include "ops/common/blocks_cuda.h"

#include "backends/cuda/ptx.h"

namespace vitro::VITRO_DEVICE {
namespace {

constexpr int kTileColumns = 128;  // of kPackedRows rows: a block of threads, each with kWide columns of a row

template <DType kBlocks, bool kPacked>
__global__ void dequantize_kernel(const std::uint8_t* blocks, Elements out, int rows, int columns) {
    constexpr int kColumns = int(block_columns(kBlocks)), kBytes = int(info(kBlocks).block_bytes);
    constexpr int kThreads = kTileColumns / kWide;  // of a row
    const int column = int(blockIdx.y) * kTileColumns + int(threadIdx.x) % kThreads * kWide;
    const int in_group = int(threadIdx.x) / kThreads;
    const std::int64_t row = std::int64_t(blockIdx.x) * kPackedRows + in_group;
    allow_next_kernel();
    wait_for_previous_kernel();
    if (column >= columns || row >= rows) return;
    const std::int64_t in_row = columns / kColumns, block = column / kColumns;
    Floats<kWide> values;
    if constexpr (kPacked) {
        const auto* from = blocks + (blockIdx.x * in_row + block) * kBytes * kPackedRows;
        values = block_values<kBlocks>(PackedRow<kBlocks>{from, in_group}, column % kColumns);
    } else {
        values =
            block_values<kBlocks>(BlockInRow<kBlocks>{blocks + (row * in_row + block) * kBytes}, column % kColumns);
    }
    store(out, row * columns + column, values);
}

}  // namespace

void launch_dequantize(const Elements& blocks, const Elements& out, int rows, int columns, LaunchStream stream) {
    const auto launch_it = [&](auto kernel) {
        launch(kernel,
               {.name = "dequantize",
                .grid = {blocks_for(rows, kPackedRows), blocks_for(columns, kTileColumns)},
                .block = kPackedRows * kTileColumns / kWide,
                .stream = stream,
                .programmatic = true},
               static_cast<const std::uint8_t*>(blocks.data), out, rows, columns);
    };
    with_blocks(blocks.dtype, [&](auto type) {
        is_packed(blocks.dtype) ? launch_it(dequantize_kernel<type.value, true>)
                                : launch_it(dequantize_kernel<type.value, false>);
    });
}

}  // namespace vitro::VITRO_DEVICE
