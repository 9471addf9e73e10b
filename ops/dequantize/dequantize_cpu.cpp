#include "base/blocks.h"
#include "ops/common/parallel.h"
#include "ops/dequantize/dequantize.h"

namespace vitro::inline VITRO_ISA {
namespace {

void run(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    const std::int64_t width = x.dim(-1), row_bytes = bytes_of(x.dtype, width);
    parallel_rows(call, x.rows(), width, [&](std::int64_t row) {
        dequantize(x.dtype, x.as<const std::byte>() + row * row_bytes, width, out.as<float>() + row * width);
    });
}

}  // namespace

extern const KernelDef kDequantizeCpu{.op = "dequantize", .run = run};

}  // namespace vitro::inline VITRO_ISA
