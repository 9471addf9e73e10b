#include "backends/cpu/cpu_backend.h"
#include "ops/rope/rope_angles.h"

namespace vitro::inline VITRO_ISA {
namespace {

std::int64_t rotary_of(const Call& call) {
    const std::int64_t rotary = call.attributes.as<RopeAttributes>().rotary_dim;
    return rotary == 0 ? call.in(RopeAttributes::kX).dim(2) : rotary;
}

std::size_t scratch(const Call& call) {
    const int threads = static_cast<CpuBackend&>(call.backend).pool().threads();
    return static_cast<std::size_t>(RopeAngles::floats(rotary_of(call), threads)) * sizeof(float);
}

void run(const Call& call) {
    const Tensor &x = call.in(RopeAttributes::kX), &out = call.out();
    const auto& rope = call.attributes.as<RopeAttributes>();
    const std::int64_t n = x.dim(1), d = x.dim(2), rotary = rotary_of(call);
    const RopeAngles angles(rope, rotary, call.in(RopeAttributes::kPositions).as<std::int32_t>(),
                            rope.by_length() ? call.in(RopeAttributes::kSequences).as<std::int32_t>() : nullptr,
                            rope.by_length() ? call.in(RopeAttributes::kRopeLengths).as<std::int32_t>() : nullptr,
                            reinterpret_cast<float*>(call.scratch.data()));
    auto& pool = static_cast<CpuBackend&>(call.backend).pool();
    dispatch_float(x.dtype, [&]<class X>(X) {
        const std::int64_t grain = 1 + 8192 / (n * d);
        pool.parallel_for(x.dim(0), grain, [&](std::int64_t begin, std::int64_t end, int thread) {
            for (std::int64_t t = begin; t < end; ++t) {
                const RopeTurn turn = angles.turn(t, thread);
                for (std::int64_t head = t * n; head < (t + 1) * n; ++head) {
                    const X* from = x.as<X>() + head * d;
                    X* to = out.as<X>() + head * d;
                    turn(from, to);
                    if (from != to)
                        for (std::int64_t i = rotary; i < d; ++i) to[i] = from[i];
                }
            }
        });
    });
}

}  // namespace

extern const KernelDef kRopeCpu{.op = "rope", .run = run, .scratch = scratch};

}  // namespace vitro::inline VITRO_ISA
