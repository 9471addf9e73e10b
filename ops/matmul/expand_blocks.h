// Packed blocks (base/packed.h) as a product wants them: a byte for each number, and what the numbers stand for. What
// the bytes of each type mean is said in base/blocks.cpp; here the same is done on vectors of 16 rows.
#pragma once

#include "backends/cpu/simd_integer.h"
#include "base/half.h"
#include "base/packed.h"
#include "base/rounded.h"

#include <algorithm>

// Under a sanitizer a function of its own: in every place that it is inlined in, with a check of every access, it would
// take the compiler many minutes.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VITRO_PRODUCT_INLINE [[gnu::noinline]]
#else
#define VITRO_PRODUCT_INLINE [[gnu::always_inline]]
#endif

namespace vitro::inline VITRO_ISA {

inline constexpr int kGroupColumns = 32, kGroupSteps = 8;  // a step is four columns

/// 16 rows and 32 columns: element = scale[half] * (code - centre) + offset[half], with a half for 16 columns each, or
/// the first one for all.
struct ExpandedGroup {
    alignas(64) std::uint8_t code[kGroupSteps][4 * kPackedRows];  // [step][row][4 columns]
    alignas(64) float scale[2][kPackedRows];
    alignas(64) float offset[2][kPackedRows];  // only of types that have one
};

/// What a product has to know of a type beyond that.
struct CodeType {
    simd::CodeKind kind;
    int centre;  // of unsigned codes; kind any: of none or 128, see CodeKind
    bool by_halves;
    bool has_offset;

    /// Multiplied with a group's two sums of numbers of a: minus the centre, and 1, for the half that a sum is of.
    simd::Bytes centres(int half) const {
        const auto c = static_cast<std::int16_t>(-centre);
        return by_halves && half == 0 ? simd::broadcast_pair(c, 0)
                                      : simd::broadcast_pair(by_halves ? std::int16_t{0} : c, c);
    }
    simd::Bytes ones(int half) const {
        return by_halves && half == 0 ? simd::broadcast_pair(1, 0)
                                      : simd::broadcast_pair(by_halves ? std::int16_t{0} : std::int16_t{1}, 1);
    }
};

constexpr CodeType code_type(DType blocks) {
    using simd::CodeKind;
    switch (blocks) {
        case DType::q4_0:
            return {CodeKind::up_to_15, 8, false, false};
        case DType::q4_1:
        case DType::q4_k:
            return {CodeKind::up_to_15, 0, false, true};
        case DType::q5_0:
            return {CodeKind::up_to_31, 16, false, false};
        case DType::q5_1:
        case DType::q5_k:
            return {CodeKind::up_to_31, 0, false, true};
        case DType::q2_k:
            return {CodeKind::up_to_63, 0, true, true};
        case DType::q3_k:
            return {CodeKind::up_to_63, 4, true, false};
        case DType::q6_k:
            return {CodeKind::up_to_63, 32, true, false};
        default:
            return {CodeKind::any, VITRO_HAS_VNNI ? 128 : 0, false, false};
    }
}

/// table[code] of each code below 16.
[[gnu::always_inline]] inline simd::Bytes look_up(const std::int8_t (&table)[16], simd::Bytes codes) {
#ifdef __AVX2__
    const __m128i all = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
#ifdef __AVX512BW__
    return reinterpret_cast<simd::Bytes>(
        _mm512_shuffle_epi8(_mm512_broadcast_i32x4(all), reinterpret_cast<__m512i>(codes)));
#else
    return reinterpret_cast<simd::Bytes>(
        _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(all), reinterpret_cast<__m256i>(codes)));
#endif
#else
    simd::Bytes out;
    for (int i = 0; i < 4 * simd::kLanes; ++i) out[i] = static_cast<std::uint8_t>(table[codes[i]]);
    return out;
#endif
}

inline constexpr std::int8_t kUnevenNumbers[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                   1,    13,   25,  38,  53,  69,  89,  113};
inline constexpr std::int8_t kDoubledNumbers[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// One packed block.
template <DType blocks>
class PackedBlock {
public:
    static constexpr PackedLayout kLayout = packed_layout(blocks);
    static constexpr int kGroups = kLayout.elements / kGroupColumns;
    static constexpr int kVectors = kPackedRows / int{simd::kLanes};

    explicit PackedBlock(const std::uint8_t* bytes) : bytes_(bytes) {}

    /// to[0..kGroups) = its groups.
    void expand(ExpandedGroup* to) const {
        for (int g = 0; g < kGroups; ++g)
            for (int row = 0; row < kPackedRows; row += int{simd::kLanes})
                each_scale(
                    g, row, [&](int half, Floats value) { simd::store(to[g].scale[half] + row, value); },
                    [&](int half, Floats value) { simd::store(to[g].offset[half] + row, value); });
        // Groups that share bytes in one turn, where the compiler knows the shifts.
        for (int turn = 0; turn < kGroups; turn += kTurn)
            simd::unrolled<kTurn * kGroupSteps>([&](auto step) __attribute__((always_inline)) {
                for (int row = 0; row < kPackedRows; row += int{simd::kLanes}) {
                    const simd::Bytes code = codes<4 * step>(turn * kGroupColumns, row);
                    std::memcpy(&to[turn + step / kGroupSteps].code[step % kGroupSteps][4 * row], &code, sizeof code);
                }
            });
    }

    /// acc[v][t] += the products of its rows v * kLanes, … with `tokens` rows of a, whose numbers for its first group
    /// are a[t]. The sums are those of the expanded group, in the same order. What stands `ahead` bytes behind the
    /// block is asked from memory, as far as the second cache: what waits for memory there is more than the first one
    /// has room for. What stands kNear bytes behind is asked from there.
    template <int tokens>
    [[gnu::always_inline]] void multiply(const Rounded32* const (&a)[tokens], std::int64_t ahead,
                                         simd::Floats (&acc)[kVectors][tokens]) const {
        constexpr std::int64_t kLine = 64, kNear = 1024;
        constexpr std::int64_t kGroupBytes = info(blocks).block_bytes * kPackedRows / kGroups;
        constexpr int kRead = 0, kSecondCache = 2;
        for (int turn = 0; turn < kGroups; turn += kTurn)
            simd::unrolled<kTurn>([&](auto g) __attribute__((always_inline)) {
                for (std::int64_t line = 0; line < kGroupBytes; line += kLine) {
                    const std::uint8_t* const at = bytes_ + (turn + g) * kGroupBytes + line;
                    __builtin_prefetch(at + ahead, kRead, kSecondCache);
                    __builtin_prefetch(at + kNear);
                }
                simd::unrolled<kVectors>([&](auto v) __attribute__((always_inline)) {
                    multiply_group<g>(turn, v * int{simd::kLanes}, a, acc[v]);
                });
            });
    }

private:
    using Floats = simd::Floats;
    using Words = simd::Words;

    static constexpr int kHigh = kLayout.high.bits == 0 ? 1 : kLayout.high.period();
    static constexpr int kTurn = std::max({kLayout.low.period(), kHigh, kGroupColumns}) / kGroupColumns;

    /// Group turn + g of kLanes rows.
    template <int g, int tokens>
    VITRO_PRODUCT_INLINE void multiply_group(int turn, int row, const Rounded32* const (&a)[tokens],
                                             Floats (&acc)[tokens]) const {
        const auto x = [&](int t) __attribute__((always_inline))->const Rounded32& { return a[t][turn + g]; };
        // With VNNI all kinds are one.
        constexpr CodeType kType = code_type(blocks);
        using Sum = simd::DotSum<VITRO_HAS_VNNI ? simd::CodeKind::any : kType.kind>;
        constexpr int kHalves = kType.by_halves ? 2 : 1, kSteps = kGroupSteps / kHalves;
        constexpr int kRun = std::min(Sum::kSteps, kSteps);
        Floats scale[2] = {}, offset[2] = {};
        each_scale(
            turn + g, row, [&](int half, Floats value) { scale[half] = value; },
            [&](int half, Floats value) { offset[half] = value; });
        simd::unrolled<kHalves>([&](auto h) __attribute__((always_inline)) {
            Sum sum[tokens];
            simd::unrolled<tokens>([&](auto t) __attribute__((always_inline)) {
                sum[t].start(simd::multiply_pairs(simd::broadcast_bytes(x(t).sums), kType.centres(h)));
            });
            simd::unrolled<kSteps>([&](auto s) __attribute__((always_inline)) {
                constexpr int step = h * kSteps + s;
                const simd::Bytes w = codes<g * kGroupColumns + 4 * step>(turn * kGroupColumns, row);
                const simd::Bytes size = Sum::magnitude_of(w);
                simd::unrolled<tokens>([&](auto t) __attribute__((always_inline)) {
                    sum[t].add_same(w, size, x(t).numbers + 4 * step, s % kRun == 0);
                    if constexpr (s % kRun == kRun - 1) sum[t].flush();
                });
            });
            simd::unrolled<tokens>([&](auto t) __attribute__((always_inline)) {
                const Floats x_scale = simd::broadcast(x(t).scale);
                acc[t] =
                    simd::multiply_add(__builtin_convertvector(sum[t].total(), Floats), scale[h] * x_scale, acc[t]);
                if constexpr (kType.has_offset) {
                    const simd::Ints x_sum = simd::multiply_pairs(simd::broadcast_bytes(x(t).sums), kType.ones(h));
                    acc[t] = simd::multiply_add(offset[h], __builtin_convertvector(x_sum, Floats) * x_scale, acc[t]);
                }
            });
        });
    }

    /// Columns first + column to first + column + 3, of kLanes rows; `first` is a multiple of the planes' periods.
    template <int column>
    VITRO_PRODUCT_INLINE simd::Bytes codes(int first, int row) const {
        simd::Bytes out = bits<kLayout.low.bits, kLayout.low.run, column, 0>(0, first, row);
        if constexpr (kLayout.high.bits != 0)
            out |= bits<kLayout.high.bits, kLayout.high.run, column, kLayout.low.bits>(kLayout.high_at(), first, row);
        if constexpr (blocks == DType::iq4_nl || blocks == DType::iq4_xs) out = look_up(kUnevenNumbers, out);
        if constexpr (blocks == DType::mxfp4) out = look_up(kDoubledNumbers, out);
        if constexpr (code_type(blocks).centre == 128) out ^= 128;
        return out;
    }

    /// The bits of a plane at byte `at`, moved up by `up`.
    template <int width, int run, int column, int up>
    [[gnu::always_inline]] simd::Bytes bits(int at, int first, int row) const {
        constexpr CodePlane kPlane{0, width, run};
        constexpr int kByte = kPlane.byte(column), kRight = kPlane.shift(column) - up;
        const int byte = first * width / 8 + kByte;
        const simd::Bytes all = simd::load_bytes(bytes_ + at + byte * kPackedRows + 4 * row);
        if constexpr (width == 8) return all;
        Words words = reinterpret_cast<Words>(all);
        if constexpr (kRight > 0) words = words >> kRight;
        if constexpr (kRight < 0) words = words << -kRight;
        return reinterpret_cast<simd::Bytes>(words) & static_cast<std::uint8_t>(((1 << width) - 1) << up);
    }

    /// Scale `index` of 16 bits, and of up to 8 bits, of kLanes rows.
    Floats half(int index, int row) const {
        return simd::load(reinterpret_cast<const f16*>(bytes_ + kLayout.halves_at()) + index * kPackedRows + row);
    }
    Words byte(int index, int row) const {
        return simd::widen_bytes(bytes_ + kLayout.bytes_at() + index * kPackedRows + row);
    }
    static Floats number(Words value) { return __builtin_convertvector(reinterpret_cast<simd::Ints>(value), Floats); }
    static Floats signed_number(Words value, int bits) {
        return __builtin_convertvector(reinterpret_cast<simd::Ints>(value) << (32 - bits) >> (32 - bits), Floats);
    }

    /// Tells scale(half, value) and offset(half, value) of group g and kLanes rows.
    template <class Scale, class Offset>
    VITRO_PRODUCT_INLINE void each_scale(int g, int row, Scale&& scale, [[maybe_unused]] Offset&& offset) const {
        if constexpr (blocks == DType::q2_k) {
            for (const int h : {0, 1}) {
                const Words both = byte(2 * g + h, row);
                scale(h, half(0, row) * number(both & 15));
                offset(h, -(half(1, row) * number(both >> 4)));
            }
        } else if constexpr (blocks == DType::q3_k) {
            for (const int h : {0, 1}) {
                const int part = 2 * g + h;
                const Words low = part < 8 ? byte(part, row) & 15 : byte(part - 8, row) >> 4;
                const Words high = byte(8 + part % 4, row) >> (part / 4 * 2) & 3;
                scale(h, half(0, row) * (number(low | high << 4) - 32.0f));
            }
        } else if constexpr (blocks == DType::q4_k || blocks == DType::q5_k) {  // six bits each of scale and minimum
            const Words scale6 = g < 4 ? byte(g, row) & 63 : (byte(g + 4, row) & 15) | byte(g - 4, row) >> 6 << 4;
            const Words minimum6 = g < 4 ? byte(g + 4, row) & 63 : byte(g + 4, row) >> 4 | byte(g, row) >> 6 << 4;
            scale(0, half(0, row) * number(scale6));
            offset(0, -(half(1, row) * number(minimum6)));
        } else if constexpr (blocks == DType::q6_k) {
            for (const int h : {0, 1}) scale(h, half(0, row) * signed_number(byte(2 * g + h, row), 8));
        } else if constexpr (blocks == DType::iq4_xs) {
            std::uint16_t high __attribute__((vector_size(2 * simd::kLanes)));
            std::memcpy(&high, bytes_ + kLayout.halves_at() + 2 * (kPackedRows + row), sizeof high);
            const Words high2 = __builtin_convertvector(high, Words) >> (2 * g) & 3;
            const Words low4 = byte(g / 2, row) >> (g % 2 * 4) & 15;
            scale(0, half(0, row) * (number(low4 | high2 << 4) - 32.0f));
        } else if constexpr (blocks == DType::mxfp4) {  // half of a power of two, its exponent counted from 2^-127
            const Words code = byte(0, row);
            scale(0, reinterpret_cast<Floats>(code < 2 ? (Words{} + 0x200000) << code : (code - 1) << 23));
        } else {
            scale(0, half(0, row));
            if constexpr (code_type(blocks).has_offset) offset(0, half(1, row));
        }
    }

    const std::uint8_t* bytes_;
};

}  // namespace vitro::inline VITRO_ISA
