#include "backends/cpu/limits.h"

#include "backends/cpu/simd_integer.h"

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

double read_bandwidth(ThreadPool& pool, std::span<const std::byte> memory) {
    using Bits = std::uint64_t __attribute__((vector_size(32)));
    // Four streams for each thread: one alone leaves a third of the bandwidth unused on the machines tried.
    constexpr std::size_t kStreams = 4, kStream = 256 << 10, kTurn = 256, kVectors = kTurn / sizeof(Bits);
    const auto chunks = memory.size() / (kStreams * kStream);
    const double time = seconds([&] {
        pool.parallel_for(std::int64_t(chunks), 1, [&](std::int64_t begin, std::int64_t end, int) {
            Bits seen[kVectors] = {};
            for (std::int64_t chunk = begin; chunk < end; ++chunk) {
                const std::byte* data = memory.data() + std::size_t(chunk) * kStreams * kStream;
                for (std::size_t at = 0; at < kStream; at += kTurn) {
                    for (std::size_t stream = 0; stream < kStreams; ++stream) {
                        Bits read[kVectors];
                        std::memcpy(read, data + stream * kStream + at, kTurn);
                        for (std::size_t i = 0; i < kVectors; ++i) seen[i] |= read[i];
                    }
                }
            }
            keep(seen);
        });
    });
    return double(chunks * kStreams * kStream) / time;
}

constexpr int kChains = 12;  // more than latency times throughput of any machine so far, fewer than its registers
constexpr std::int64_t kRounds = 200'000;

double fma_peak(ThreadPool& pool) {
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
                    for (Floats& sum : sums) sum = simd::multiply_add(x, sum, y);
                }
                keep(sums);
            }
        });
    });
    return 2.0 * simd::kLanes * kChains * double(kRounds) * pool.threads() / time;
}

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
    static constexpr CpuLimits kLimits{read_bandwidth, fma_peak, integer_peak};
    return &kLimits;
}

}  // namespace vitro::inline VITRO_ISA
