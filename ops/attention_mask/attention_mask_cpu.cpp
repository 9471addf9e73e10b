#include "ops/attention_mask/attention_mask.h"
#include "ops/common/parallel.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace vitro::inline VITRO_ISA {
namespace {

void run(const Call& call) {
    const Visible visible{
        call.in(AttentionMask::kPositions).as<std::int32_t>(), call.in(AttentionMask::kSequences).as<std::int32_t>(),
        call.in(AttentionMask::kLengths).as<std::int32_t>(), call.attributes.as<AttentionMask>().visibility};
    const std::int64_t keys = call.out().dim(1);
    parallel_rows(call, call.out().dim(0), keys, [&](std::int64_t t) {
        float* row = call.out().as<float>() + t * keys;
        std::fill(row, row + keys, -std::numeric_limits<float>::infinity());
        float* own = row + std::accumulate(visible.lengths, visible.lengths + visible.sequences[t], std::int64_t{0});
        const Range seen = visible(t);
        if (seen.empty()) return;
        if (visible.visibility.is_range()) return std::fill(own + seen.begin, own + seen.end, 0.0f);
        for (std::int64_t key = seen.begin; key < seen.end; ++key)
            if (visible.sees(t, key)) own[key] = 0.0f;
    });
}

}  // namespace

extern const KernelDef kAttentionMaskCpu{.op = "attention_mask", .run = run};

}  // namespace vitro::inline VITRO_ISA
