#include "backends/cpu/simd.h"
#include "ops/common/parallel.h"
#include "ops/embed/embed.h"

namespace vitro::inline VITRO_ISA {
namespace {

void run(const Call& call) {
    const Tensor &tokens = call.in(0), &table = call.in(1), &out = call.out();
    const std::int64_t n = table.dim(1);
    dispatch_float(table.dtype, [&]<class Table>(Table) {
        dispatch_float(out.dtype, [&]<class Out>(Out) {
            parallel_rows(call, tokens.dim(0), n, [&](std::int64_t t) {
                const std::int64_t token = tokens.as<std::int32_t>()[t];
                VITRO_CHECK(token >= 0 && token < table.dim(0), "token {} of {}", token, table.dim(0));
                const Table* from = table.as<Table>() + token * n;
                Out* to = out.as<Out>() + t * n;
                simd::each(
                    n, [&](std::int64_t i, auto lanes) { simd::store(to + i, simd::load(from + i, lanes), lanes); });
            });
        });
    });
}

}  // namespace

extern const KernelDef kEmbedCpu{.op = "embed", .run = run};

}  // namespace vitro::inline VITRO_ISA
