#include "ops/common/cache_rows.h"
#include "ops/common/pages.h"
#include "ops/common/parallel.h"
#include "ops/kv_gather/kv_gather.h"

#include <algorithm>

namespace vitro::inline VITRO_ISA {
namespace {

void run(const Call& call) {
    const Tensor &cache = call.in(KvGather::kCache), &out = call.out();
    const Pages pages(cache, call.in(KvGather::kPageTable));
    const auto* lengths = call.in(KvGather::kLengths).as<std::int32_t>();
    const std::int64_t elements = out.dim(1) * out.dim(2);  // of a row
    dispatch_cache(cache.dtype, [&]<class X>(X) {
        dispatch_float(out.dtype, [&]<class Y>(Y) {
            parallel_ranges(call, out.dim(0), elements, [&](std::int64_t begin, std::int64_t end) {
                std::int64_t s = 0, position = begin;
                for (std::int64_t c = begin; c < end;) {
                    while (position >= lengths[s]) position -= lengths[s++];
                    // The rest of this page, this sequence and this chunk lie in one piece.
                    const std::int64_t rows =
                        std::min({pages.slots - position % pages.slots, lengths[s] - position, end - c});
                    read_row(cache.as<X>() + pages.row(s, position) * elements / kElementsOf<X>,
                             out.as<Y>() + c * elements, rows * elements);
                    position += rows;
                    c += rows;
                }
            });
        });
    });
}

}  // namespace

extern const KernelDef kKvGatherCpu{.op = "kv_gather", .run = run};

}  // namespace vitro::inline VITRO_ISA
