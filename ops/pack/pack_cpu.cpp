#include "base/packed.h"
#include "ops/common/parallel.h"
#include "ops/pack/pack.h"

namespace vitro::inline VITRO_ISA {
namespace {

void run(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    const std::int64_t columns = x.dim(1), elements = kPackedRows * columns;
    parallel_rows(call, x.dim(0) / kPackedRows, elements, [&](std::int64_t group) {
        pack_group(out.dtype, x.as<std::byte>() + group * bytes_of(x.dtype, elements), bytes_of(x.dtype, columns),
                   columns, out.as<std::byte>() + group * bytes_of(out.dtype, elements));
    });
}

}  // namespace

extern const KernelDef kPackCpu{.op = "pack", .run = run};

}  // namespace vitro::inline VITRO_ISA
