#include "ops/common/cache_rows.h"
#include "ops/common/pages.h"
#include "ops/common/parallel.h"
#include "ops/kv_append/kv_append.h"

namespace vitro::inline VITRO_ISA {
namespace {

void run(const Call& call) {
    const Tensor &x = call.in(KvAppend::kX), &cache = call.out();
    VITRO_CHECK(cache.data == call.in(KvAppend::kCache).data, "the next state stands elsewhere");
    const auto* positions = call.in(KvAppend::kPositions).as<std::int32_t>();
    const auto* sequences = call.in(KvAppend::kSequences).as<std::int32_t>();
    const Pages pages(cache, call.in(KvAppend::kPageTable));
    const std::int64_t elements = x.dim(1) * x.dim(2);  // of a row
    dispatch_float(x.dtype, [&]<class X>(X) {
        dispatch_cache(cache.dtype, [&]<class Y>(Y) {
            parallel_rows(call, x.dim(0), elements, [&](std::int64_t t) {
                const std::int64_t to = pages.row(sequences[t], positions[t]) * elements / kElementsOf<Y>;
                write_row(x.as<X>() + t * elements, cache.as<Y>() + to, elements);
            });
        });
    });
}

}  // namespace

extern const KernelDef kKvAppendCpu{.op = "kv_append", .run = run};

}  // namespace vitro::inline VITRO_ISA
