#include "base/packed.h"
#include "ops/common/parallel.h"
#include "ops/dequantize/dequantize.h"

namespace vitro::inline VITRO_ISA {
namespace {

void run(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    const std::int64_t width = x.dim(-1), together = info(x.dtype).block_rows;
    parallel_rows(call, x.rows() / together, together * width, [&](std::int64_t group) {
        const std::int64_t at = group * together * width;
        dequantize_matrix(x.dtype, x.as<const std::byte>() + bytes_of(x.dtype, at), together, width,
                          out.as<float>() + at);
    });
}

}  // namespace

extern const KernelDef kDequantizeCpu{.op = "dequantize", .run = run};

}  // namespace vitro::inline VITRO_ISA
