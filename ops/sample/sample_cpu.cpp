#include "base/half.h"
#include "ops/common/parallel.h"
#include "ops/sample/sample.h"

namespace vitro::inline VITRO_ISA {
namespace {

std::size_t scratch(const Call& call) {
    const int threads = static_cast<CpuBackend&>(call.backend).pool().threads();
    return static_cast<std::size_t>(threads * call.in(0).dim(1)) * sizeof(SampleCandidate);
}

void run(const Call& call) {
    const Tensor &logits = call.in(0), &options = call.in(1), &integers = call.in(2), &out = call.out();
    const std::int64_t n = logits.dim(1);
    auto* memory = reinterpret_cast<SampleCandidate*>(call.scratch.data());
    auto& pool = static_cast<CpuBackend&>(call.backend).pool();
    pool.parallel_for(logits.dim(0), 1, [&](std::int64_t begin, std::int64_t end, int thread) {
        for (std::int64_t r = begin; r < end; ++r) {
            float own[SampleRow::kOptions];
            dispatch_float(options.dtype, [&]<class T>(T) {
                for (std::int64_t i = 0; i < SampleRow::kOptions; ++i)
                    own[i] = float(options.as<T>()[r * SampleRow::kOptions + i]);
            });
            const SampleRow row = SampleRow::read(own, integers.as<std::int32_t>() + r * SampleRow::kIntegers);
            dispatch_float(logits.dtype, [&]<class T>(T) {
                out.as<std::int32_t>()[r] = choose_token(logits.as<T>() + r * n, n, row, memory + thread * n);
            });
        }
    });
}

}  // namespace

extern const KernelDef kSampleCpu{.op = "sample", .run = run, .scratch = scratch};

}  // namespace vitro::inline VITRO_ISA
