#include "backends/cpu/simd.h"
#include "ops/clamp/clamp.h"
#include "ops/common/parallel.h"

namespace vitro::inline VITRO_ISA {
namespace {

void run(const Call& call) {
    const auto& clamp = call.attributes.as<Clamp>();
    const simd::Floats low = simd::broadcast(clamp.low), high = simd::broadcast(clamp.high);
    const Tensor &x = call.in(0), &out = call.out();
    dispatch_float(x.dtype, [&]<class T>(T) {
        parallel_ranges(call, x.elements(), 1, [&](std::int64_t begin, std::int64_t end) {
            simd::each(end - begin, [&](std::int64_t i, auto lanes) {
                const simd::Floats v = simd::load(x.as<T>() + begin + i, lanes), above = v < low ? low : v;
                simd::store(out.as<T>() + begin + i, above > high ? high : above, lanes);
            });
        });
    });
}

}  // namespace

extern const KernelDef kClampCpu{.op = "clamp", .run = run};

}  // namespace vitro::inline VITRO_ISA
