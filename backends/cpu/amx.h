// AMX: eight registers that each hold a tile of up to 16 rows of 64 bytes, and products of tiles (Intel's Software
// Developer's Manual, volume 1, chapter 18, and volume 2, TDPBF16PS). In assembly, since GCC's intrinsics do not tell
// the compiler which memory they read.
#pragma once

#include "backends/cpu/isa.h"

#include <cstdint>

#if defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__AMX_INT8__)
#define VITRO_HAS_AMX 1
#else
#define VITRO_HAS_AMX 0
#endif

#if VITRO_HAS_AMX

namespace vitro::inline VITRO_ISA::amx {

inline constexpr int kRows = 16;             // of a tile, at most
inline constexpr std::int64_t kRow = 64;     // bytes of one of its rows, at most
inline constexpr std::int64_t kTile = 1024;  // bytes of a whole tile

/// The shapes of the eight tiles. As the instruction LDTILECFG reads them.
struct alignas(64) Shapes {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {};
    std::uint8_t rows[16] = {};

    void set(int tile, int tile_rows, int bytes) {
        rows[tile] = static_cast<std::uint8_t>(tile_rows);
        row_bytes[tile] = static_cast<std::uint16_t>(bytes);
    }
};

static_assert(sizeof(Shapes) == 64);

/// Gives this thread's tiles shapes; what they held is lost.
inline void use(const Shapes& shapes) { asm volatile("ldtilecfg %0" : : "m"(shapes) : "memory"); }
/// This thread has no tiles any more: a change of threads need not save them.
inline void release() { asm volatile("tilerelease" : : : "memory"); }

template <int tile>
[[gnu::always_inline]] inline void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(tile));
}

/// Rows that begin `stride` bytes apart.
template <int tile>
[[gnu::always_inline]] inline void load(const void* from, std::int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(tile) : "memory");
}
template <int tile>
[[gnu::always_inline]] inline void store(void* to, std::int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(tile) : "memory");
}

/// c[m][n] += sum over k of a[m][k] * b[k/2][n][k%2] of bf16, in fp32: the even k and the odd k from zero on, in order,
/// each product added with one rounding; the two sums are added, and then to c. Denormals count as zero.
template <int c, int a, int b>
[[gnu::always_inline]] inline void multiply_bf16() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
}

}  // namespace vitro::inline VITRO_ISA::amx

#endif
