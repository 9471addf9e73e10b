#include "backends/cpu/limits.h"

#include "backends/cpu/amx.h"
#include "backends/cpu/simd_integer.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace vitro::inline VITRO_ISA {
namespace {

using simd::Floats;

/// Whatever `value` holds is taken to be read and written here: the compiler can leave nothing out.
template <class T>
[[gnu::always_inline]] inline void keep(T& value) {
    asm volatile("" : "+m"(value) : : "memory");
}

template <class Body>
double seconds(Body&& body) {
    const auto begin = std::chrono::steady_clock::now();
    body();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Each thread reads kStreams streams of kStream bytes by turns, kTurn bytes each, and asks for lines kAhead bytes
/// ahead, as kernels do, or leaves that to the processor (0).
template <std::size_t kStreams, std::size_t kStream, std::size_t kTurn, std::size_t kAhead>
double read_bandwidth_of(ThreadPool& pool, std::span<const std::byte> memory) {
    using Bits = std::uint64_t __attribute__((vector_size(32)));
    constexpr std::size_t kVectors = kTurn / sizeof(Bits), kLine = 64;
    const auto chunks = memory.size() / (kStreams * kStream);
    const double time = seconds([&] {
        pool.parallel_for(std::int64_t(chunks), 1, [&](std::int64_t begin, std::int64_t end, int) {
            Bits seen[kVectors] = {};
            for (std::int64_t chunk = begin; chunk < end; ++chunk) {
                const std::byte* data = memory.data() + std::size_t(chunk) * kStreams * kStream;
                for (std::size_t at = 0; at < kStream; at += kTurn) {
                    for (std::size_t stream = 0; stream < kStreams; ++stream) {
                        const std::byte* turn = data + stream * kStream + at;
                        for (std::size_t line = 0; kAhead > 0 && line < kTurn; line += kLine)
                            __builtin_prefetch(turn + kAhead + line);
                        Bits read[kVectors];
                        std::memcpy(read, turn, kTurn);
                        for (std::size_t i = 0; i < kVectors; ++i) seen[i] |= read[i];
                    }
                }
            }
            keep(seen);
        });
    });
    return double(chunks * kStreams * kStream) / time;
}

/// The best, of two tries each, of the ways to read that were fastest on the machines tried: which one it is differs
/// with the processor and with the size of its pages, by up to half.
double read_bandwidth(ThreadPool& pool, std::span<const std::byte> memory) {
    double best = 0;
    for (int i = 0; i < 2; ++i)
        best = std::max({best, read_bandwidth_of<4, 256 << 10, 256, 4096>(pool, memory),
                         read_bandwidth_of<1, 1 << 20, 512, 0>(pool, memory),
                         read_bandwidth_of<2, 256 << 10, 256, 0>(pool, memory),
                         read_bandwidth_of<1, 1 << 20, 512, 8192>(pool, memory),
                         read_bandwidth_of<4, 256 << 10, 1024, 4096>(pool, memory),
                         read_bandwidth_of<2, 1 << 20, 4096, 8192>(pool, memory),
                         read_bandwidth_of<1, 1 << 20, 4096, 4096>(pool, memory)});
    return best;
}

constexpr int kChains = 12;  // more than latency times throughput of any machine so far, fewer than its registers
constexpr std::int64_t kRounds = 200'000;

/// Lane operations a second of a multiply-add of vectors: two for each lane.
template <class Multiply>
double multiply_peak(ThreadPool& pool) {
    const double time = seconds([&] {
        pool.parallel_for(pool.threads(), 1, [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t i = begin; i < end; ++i) {
                Floats sums[kChains];
                for (int c = 0; c < kChains; ++c) sums[c] = simd::broadcast(float(c));  // or they could be merged
                Floats x = simd::broadcast(0.5f), y = simd::broadcast(0.25f);
                keep(x);
                keep(y);
                for (std::int64_t round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
                    for (Floats& sum : sums) sum = Multiply::add(x, y, sum);
                }
                keep(sums);
            }
        });
    });
    return 2.0 * simd::kLanes * kChains * double(kRounds) * pool.threads() / time;
}

double fma_peak(ThreadPool& pool) { return multiply_peak<simd::MultiplyFloats>(pool); }

#if VITRO_HAS_AMX
/// Of tiles as large as they can be: four sums from two tiles each of a and b, as a product has them.
double bf16_peak(ThreadPool& pool) {
    amx::Shapes shapes;
    for (int tile = 0; tile < 8; ++tile) shapes.set(tile, amx::kRows, amx::kRow);
    const double time = seconds([&] {
        pool.parallel_for(pool.threads(), 1, [&](std::int64_t begin, std::int64_t end, int) {
            amx::use(shapes);
            for (std::int64_t i = begin; i < end; ++i)
                for (std::int64_t round = 0; round < kRounds; ++round) {
                    amx::multiply_bf16<0, 4, 6>();
                    amx::multiply_bf16<1, 4, 7>();
                    amx::multiply_bf16<2, 5, 6>();
                    amx::multiply_bf16<3, 5, 7>();
                }
            amx::release();
        });
    });
    return 2.0 * 4 * amx::kRows * amx::kRows * 32 * double(kRounds) * pool.threads() / time;
}
#else
double bf16_peak(ThreadPool& pool) {
    return simd::has_bf16_products() ? 2 * multiply_peak<simd::MultiplyBf16Pairs>(pool) : 0;
}
#endif

double integer_peak(ThreadPool& pool) {
    using Sum = simd::DotSum<simd::CodeKind::up_to_15>;
    const double time = seconds([&] {
        pool.parallel_for(pool.threads(), 1, [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t i = begin; i < end; ++i) {
                Sum sums[kChains];
                simd::Bytes w{}, x{};
                keep(w);
                keep(x);
                for (int c = 0; c < kChains; ++c) {
                    sums[c].start(simd::Ints{} + c);
                    sums[c].add(w, w, x, true);
                }
                for (std::int64_t round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
                    for (Sum& sum : sums) sum.add(w, w, x, false);
                }
                for (Sum& sum : sums) sum.flush();
                keep(sums);
            }
        });
    });
    return 2.0 * 4 * simd::kLanes * kChains * double(kRounds) * pool.threads() / time;
}

}  // namespace

const CpuLimits* cpu_limits() {
    static constexpr CpuLimits kLimits{read_bandwidth, fma_peak, bf16_peak, integer_peak};
    return &kLimits;
}

}  // namespace vitro::inline VITRO_ISA
