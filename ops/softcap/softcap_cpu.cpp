#include "ops/common/parallel.h"
#include "ops/softcap/softcap.h"
#include "ops/softcap/softcap_lanes.h"

namespace vitro::inline VITRO_ISA {
namespace {

void run(const Call& call) {
    const float cap = call.attributes.as<Softcap>().cap;
    const Tensor &x = call.in(0), &out = call.out();
    dispatch_float(x.dtype, [&]<class T>(T) {
        parallel_ranges(call, x.elements(), 1, [&](std::int64_t begin, std::int64_t end) {
            simd::each(end - begin, [&](std::int64_t i, auto lanes) {
                const simd::Floats v = simd::load(x.as<T>() + begin + i, lanes);
                simd::store(out.as<T>() + begin + i, softcap_lanes(v, cap), lanes);
            });
        });
    });
}

}  // namespace

extern const KernelDef kSoftcapCpu{.op = "softcap", .run = run};

}  // namespace vitro::inline VITRO_ISA
