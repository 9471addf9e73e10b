#include "ops/cast/cast.h"
#include "ops/common/elementwise_cpu.h"

namespace vitro::inline VITRO_ISA {
namespace {

simd::Floats same(simd::Floats x) { return x; }

void run(const Call& call) {
    dispatch(call.in(0).dtype, [&]<class X>(X) {
        dispatch_float(call.out().dtype, [&]<class Out>(Out) { map_elements<X, Out, same>(call); });
    });
}

}  // namespace

extern const KernelDef kCastCpu{.op = "cast", .run = run};

}  // namespace vitro::inline VITRO_ISA
