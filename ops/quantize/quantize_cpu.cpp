// The work is base/quantize.h's, which is the same for every instruction set: so are the blocks.
#include "base/quantize.h"
#include "ops/common/convert.h"
#include "ops/common/parallel.h"
#include "ops/quantize/quantize.h"

namespace vitro::inline VITRO_ISA {
namespace {

void run(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    const std::int64_t block = info(out.dtype).block_elements;
    constexpr std::int64_t kAtOnce = 1024;  // elements, whole blocks of every type
    constexpr std::int64_t kWork = 32;      // what an element costs, in elements of other ops
    dispatch_float(x.dtype, [&]<class T>(T) {
        const std::int64_t pieces = (x.elements() + kAtOnce - 1) / kAtOnce;
        parallel_rows(call, pieces, kAtOnce * kWork, [&](std::int64_t piece) {
            const std::int64_t begin = piece * kAtOnce, n = std::min(kAtOnce, x.elements() - begin);
            float values[kAtOnce];
            convert(x.as<T>() + begin, values, n);
            quantize(out.dtype, values, n, out.as<std::byte>() + begin / block * info(out.dtype).block_bytes);
        });
    });
}

}  // namespace

extern const KernelDef kQuantizeCpu{.op = "quantize", .run = run};

}  // namespace vitro::inline VITRO_ISA
