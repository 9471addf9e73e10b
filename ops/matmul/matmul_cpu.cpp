#include "backends/cpu/simd.h"
#include "ops/matmul/matmul.h"
#include "ops/matmul/product_cpu.h"

namespace vitro::inline VITRO_ISA {
namespace {

Product product_of(const Call& call) {
    const Tensor &a = call.in(0), &b = call.in(1), &out = call.out();
    const bool one_b = b.rank == 2;
    const std::int64_t n = out.dim(-1), k = a.dim(-1);
    return {.a = a.data,
            .a_dtype = a.dtype,
            .b = b.data,
            .b_dtype = b.dtype,
            .transpose_b = call.attributes.as<Matmul>().transpose_b,
            .batch = one_b ? 1 : a.count(0, a.rank - 2),
            .m = one_b ? out.rows() : a.dim(-2),
            .n = n,
            .k = k,
            .b_stride = one_b ? 0 : n * k};
}

void run(const Call& call) {
    const Product product = product_of(call);
    auto& pool = static_cast<CpuBackend&>(call.backend).pool();
    dispatch_float(call.out().dtype, [&]<class Out>(Out) {
        Out* out = call.out().as<Out>();
        multiply(product, call.scratch, pool, [&](const ProductBlock& block) {
            for (std::int64_t r = 0; r < block.rows; ++r) {
                const float* sums = block.sums + r * ProductBlock::kRow;
                Out* to = out + (block.row + r) * product.n + block.column;
                simd::each(block.columns,
                           [&](std::int64_t i, auto lanes) { simd::store(to + i, simd::load(sums + i), lanes); });
            }
        });
    });
}

std::size_t scratch(const Call& call) {
    return product_scratch(product_of(call), static_cast<CpuBackend&>(call.backend).pool());
}

}  // namespace

extern const KernelDef kMatmulCpu{.op = "matmul", .run = run, .scratch = scratch};

}  // namespace vitro::inline VITRO_ISA
