#include "ops/cast/cast.h"
#include "ops/common/dequantize.h"
#include "ops/common/elementwise_cpu.h"

namespace vitro::inline VITRO_ISA {
namespace {

simd::Floats same(simd::Floats x) { return x; }

void cast_blocks(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    const DTypeInfo& type = info(x.dtype);
    dispatch_float(out.dtype, [&]<class Out>(Out) {
        parallel_ranges(
            call, x.elements() / type.block_elements, type.block_elements, [&](std::int64_t begin, std::int64_t end) {
                dequantize_to(x.dtype, x.as<std::byte>() + begin * type.block_bytes,
                              (end - begin) * type.block_elements, out.as<Out>() + begin * type.block_elements);
            });
    });
}

void run(const Call& call) {
    if (is_block_quantized(call.in(0).dtype)) return cast_blocks(call);
    dispatch(call.in(0).dtype, [&]<class X>(X) {
        dispatch_float(call.out().dtype, [&]<class Out>(Out) { map_elements<X, Out, same>(call); });
    });
}

}  // namespace

extern const KernelDef kCastCpu{.op = "cast", .run = run};

}  // namespace vitro::inline VITRO_ISA
