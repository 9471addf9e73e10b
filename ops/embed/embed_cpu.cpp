#include "ops/common/convert.h"
#include "ops/common/dequantize.h"
#include "ops/common/parallel.h"
#include "ops/embed/embed.h"

namespace vitro::inline VITRO_ISA {
namespace {

/// Calls body(row of the table, row of the output, whose first element is of Out) for each token.
template <class Out, class Body>
void each_token(const Call& call, Body&& body) {
    const Tensor &tokens = call.in(0), &table = call.in(1), &out = call.out();
    const std::int64_t n = table.dim(1);
    parallel_rows(call, tokens.dim(0), n, [&](std::int64_t t) {
        const std::int64_t token = tokens.as<std::int32_t>()[t];
        body(table.as<std::byte>() + bytes_of(table.dtype, token * n), out.as<Out>() + t * n);
    });
}

void run(const Call& call) {
    const Tensor& table = call.in(1);
    const std::int64_t n = table.dim(1);
    dispatch_float(call.out().dtype, [&]<class Out>(Out) {
        if (is_block_quantized(table.dtype))
            return each_token<Out>(call,
                                   [&](const std::byte* from, Out* to) { dequantize_to(table.dtype, from, n, to); });
        dispatch_float(table.dtype, [&]<class Table>(Table) {
            each_token<Out>(
                call, [&](const std::byte* from, Out* to) { convert(reinterpret_cast<const Table*>(from), to, n); });
        });
    });
}

}  // namespace

extern const KernelDef kEmbedCpu{.op = "embed", .run = run};

}  // namespace vitro::inline VITRO_ISA
