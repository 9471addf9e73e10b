#include "ops/attention_mask/attention_mask.h"
#include "ops/common/parallel.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace vitro::inline VITRO_ISA {
namespace {

void run(const Call& call) {
    const auto* positions = call.in(0).as<std::int32_t>();
    const auto* sequences = call.in(1).as<std::int32_t>();
    const auto* lengths = call.in(2).as<std::int32_t>();
    const std::int64_t window = call.attributes.as<AttentionMask>().window;
    const std::int64_t count = call.in(2).dim(0), keys = call.out().dim(1);
    const std::int64_t sum = std::accumulate(lengths, lengths + count, std::int64_t{0});
    VITRO_CHECK(sum == keys, "lengths add up to {}, C is {}", sum, keys);
    parallel_rows(call, call.out().dim(0), keys, [&](std::int64_t t) {
        const std::int64_t s = sequences[t], position = positions[t];
        VITRO_CHECK(s >= 0 && s < count, "sequence {} of {}", s, count);
        float* row = call.out().as<float>() + t * keys;
        std::fill(row, row + keys, -std::numeric_limits<float>::infinity());
        float* own = row + std::accumulate(lengths, lengths + s, std::int64_t{0});
        const std::int64_t last = std::min<std::int64_t>(position + 1, lengths[s]);
        const std::int64_t first = window == 0 ? 0 : std::max<std::int64_t>(0, position - window + 1);
        if (first < last) std::fill(own + first, own + last, 0.0f);
    });
}

}  // namespace

extern const KernelDef kAttentionMaskCpu{.op = "attention_mask", .run = run};

}  // namespace vitro::inline VITRO_ISA
