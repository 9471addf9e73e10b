#include "backends/cpu/cpu_backend.h"
#include "base/checked.h"
#include "base/half.h"
#include "ops/rope/rope.h"

#include <cmath>

namespace vitro {
namespace {

std::int64_t rotary_of(const Call& call) {
    const std::int64_t rotary = call.attributes.as<RopeAttributes>().rotary_dim;
    return rotary == 0 ? call.in(0).dim(2) : rotary;
}

/// Floats of scratch for one thread: cos, then sin, of one token; a whole number of cache lines.
std::int64_t thread_floats(std::int64_t rotary) { return round_up<std::int64_t>(rotary, 16); }

/// The frequencies short and long [rotary / 2 each], then each thread's part.
std::size_t scratch(const Call& call) {
    const int threads = static_cast<CpuBackend&>(call.backend).pool().threads();
    return static_cast<std::size_t>((threads + 1) * thread_floats(rotary_of(call))) * sizeof(float);
}

template <class X>
void turn(const X* x, X* out, const float* cosine, const float* sine, std::int64_t pairs) {
    const X *first = x, *second = x + pairs;
    X *out_first = out, *out_second = out + pairs;
#pragma GCC ivdep  // out may be x itself: an iteration writes only what it has read
    for (std::int64_t i = 0; i < pairs; ++i) {
        const float a = float(first[i]), b = float(second[i]);
        out_first[i] = X(a * cosine[i] - b * sine[i]);
        out_second[i] = X(b * cosine[i] + a * sine[i]);
    }
}

void run(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    const auto& rope = call.attributes.as<RopeAttributes>();
    const std::int64_t n = x.dim(1), d = x.dim(2), rotary = rotary_of(call), pairs = rotary / 2;
    const auto* positions = call.in(1).as<std::int32_t>();
    const auto* sequences = rope.by_length() ? call.in(2).as<std::int32_t>() : nullptr;
    const auto* lengths = rope.by_length() ? call.in(3).as<std::int32_t>() : nullptr;

    auto* frequencies = reinterpret_cast<float*>(call.scratch.data());
    inverse_frequencies(rope, false, {frequencies, static_cast<std::size_t>(pairs)});
    if (rope.by_length()) inverse_frequencies(rope, true, {frequencies + pairs, static_cast<std::size_t>(pairs)});
    float* const tables = frequencies + thread_floats(rotary);

    auto& pool = static_cast<CpuBackend&>(call.backend).pool();
    dispatch_float(x.dtype, [&]<class X>(X) {
        const std::int64_t grain = 1 + 8192 / (n * d);
        pool.parallel_for(x.dim(0), grain, [&](std::int64_t begin, std::int64_t end, int thread) {
            float* const cosine = tables + thread * thread_floats(rotary);
            float* const sine = cosine + pairs;
            for (std::int64_t t = begin; t < end; ++t) {
                const bool long_context = lengths != nullptr && lengths[sequences[t]] > rope.original_max;
                const float* frequency = frequencies + (long_context ? pairs : 0);
                for (std::int64_t i = 0; i < pairs; ++i) {
                    const float angle = frequency[i] * static_cast<float>(positions[t]);
                    cosine[i] = std::cos(angle) * rope.attention_scale;
                    sine[i] = std::sin(angle) * rope.attention_scale;
                }
                for (std::int64_t head = t * n; head < (t + 1) * n; ++head) {
                    const X* from = x.as<X>() + head * d;
                    X* to = out.as<X>() + head * d;
                    turn(from, to, cosine, sine, pairs);
                    if (from != to)
                        for (std::int64_t i = rotary; i < d; ++i) to[i] = from[i];
                }
            }
        });
    });
}

}  // namespace

const KernelDef kRopeCpu{.op = "rope", .run = run, .scratch = scratch};

}  // namespace vitro
