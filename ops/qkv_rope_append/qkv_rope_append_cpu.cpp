#include "backends/cpu/cpu_backend.h"
#include "ops/common/cache_rows.h"
#include "ops/common/pages.h"
#include "ops/qkv_rope_append/qkv_rope_append.h"
#include "ops/rope/rope_angles.h"

namespace vitro::inline VITRO_ISA {
namespace {

std::int64_t rotary_of(const Call& call) {
    const std::int64_t rotary = call.attributes.as<QkvRopeAppend>().rope.rotary_dim;
    return rotary == 0 ? call.in(QkvRopeAppend::kKCache).dim(3) : rotary;
}

/// Floats of a head that a thread turns before it becomes blocks; whole cache lines.
std::int64_t head_floats(const Call& call) {
    return round_up<std::int64_t>(call.in(QkvRopeAppend::kKCache).dim(3), 16);
}

std::size_t scratch(const Call& call) {
    const int threads = static_cast<CpuBackend&>(call.backend).pool().threads();
    const bool is_blocks = call.in(QkvRopeAppend::kKCache).dtype == DType::q8_0;
    return static_cast<std::size_t>(RopeAngles::floats(rotary_of(call), threads) +
                                    (is_blocks ? threads * head_floats(call) : 0)) *
           sizeof(float);
}

/// `n` heads of one token, turned, the rest of each as it is; where `to` has blocks, by way of memory for a head.
template <class X, class Y>
void turn_heads(const RopeTurn& turn, const X* from, Y* to, std::int64_t n, std::int64_t d, float* memory) {
    constexpr bool kIsBlocks = std::is_same_v<Y, Q8Block>;
    const std::int64_t rotary = 2 * turn.pairs;
    const auto turn_head = [&](auto* out) {
        turn(from, out);
        if (rotary < d) convert(from + rotary, out + rotary, d - rotary);
    };
    for (std::int64_t head = 0; head < n; ++head, from += d, to += d / kElementsOf<Y>) {
        if constexpr (kIsBlocks) {
            turn_head(memory);
            write_row(memory, to, d);
        } else {
            turn_head(to);
        }
    }
}

void run(const Call& call) {
    const Tensor &qkv = call.in(QkvRopeAppend::kQkv), &q = call.out(0), &k_cache = call.out(1), &v_cache = call.out(2);
    VITRO_CHECK(
        k_cache.data == call.in(QkvRopeAppend::kKCache).data && v_cache.data == call.in(QkvRopeAppend::kVCache).data,
        "a next state stands elsewhere");
    const auto& rope = call.attributes.as<QkvRopeAppend>().rope;
    const auto* positions = call.in(QkvRopeAppend::kPositions).as<std::int32_t>();
    const auto* sequences = call.in(QkvRopeAppend::kSequences).as<std::int32_t>();
    const Pages pages(k_cache, call.in(QkvRopeAppend::kPageTable));
    const std::int64_t heads = q.dim(1), kv_heads = k_cache.dim(2), d = q.dim(2);
    const RopeAngles angles(rope, rotary_of(call), positions, sequences,
                            rope.by_length() ? call.in(QkvRopeAppend::kRopeLengths).as<std::int32_t>() : nullptr,
                            reinterpret_cast<float*>(call.scratch.data()));
    auto& pool = static_cast<CpuBackend&>(call.backend).pool();
    float* const memory =
        reinterpret_cast<float*>(call.scratch.data()) + RopeAngles::floats(rotary_of(call), pool.threads());
    const Tensor &k = call.in(QkvRopeAppend::kK), &v = call.in(QkvRopeAppend::kV);
    dispatch_float(qkv.dtype, [&]<class X>(X) {
        dispatch_cache(k_cache.dtype, [&]<class Y>(Y) {
            const std::int64_t grain = 1 + 8192 / qkv.dim(1);
            pool.parallel_for(qkv.dim(0), grain, [&](std::int64_t begin, std::int64_t end, int thread) {
                float* const head = memory + thread * head_floats(call);
                for (std::int64_t t = begin; t < end; ++t) {
                    const RopeTurn turn = angles.turn(t, thread);
                    const X* from = qkv.as<X>() + t * qkv.dim(1);
                    const X* const in_row = from + heads * d;
                    const X* const k_from = k.absent ? in_row : k.as<X>() + t * kv_heads * d;
                    const X* const v_from =
                        v.absent ? in_row + (k.absent ? kv_heads * d : 0) : v.as<X>() + t * kv_heads * d;
                    const std::int64_t at = pages.row(sequences[t], positions[t]) * kv_heads * d / kElementsOf<Y>;
                    turn_heads(turn, from, q.as<X>() + t * heads * d, heads, d, head);
                    turn_heads(turn, k_from, k_cache.as<Y>() + at, kv_heads, d, head);
                    write_row(v_from, v_cache.as<Y>() + at, kv_heads * d);
                }
            });
        });
    });
}

}  // namespace

extern const KernelDef kQkvRopeAppendCpu{.op = "qkv_rope_append", .run = run, .scratch = scratch};

}  // namespace vitro::inline VITRO_ISA
