#include "backends/cpu/isa.h"
#include "ops/position_scale/position_scale.h"

#include <cmath>

namespace vitro::inline VITRO_ISA {
namespace {

/// A step has few positions: one thread takes them.
void run(const Call& call) {
    const auto [beta, original] = call.attributes.as<PositionScale>();
    for (std::int64_t t = 0; t < call.out().elements(); ++t) {
        const std::int64_t whole = call.in(0).as<std::int32_t>()[t] / original;
        call.out().as<float>()[t] = 1.0f + beta * std::log1p(static_cast<float>(whole));
    }
}

}  // namespace

extern const KernelDef kPositionScaleCpu{.op = "position_scale", .run = run};

}  // namespace vitro::inline VITRO_ISA
