// Every sum takes its blocks in order: the integers of 32 products, four neighbours to a lane, become fp32, times both
// scales, and are added lane by lane; an offset is multiplied with the sum of 16 numbers of a. So the bits of a row are
// the same whoever shares its step.
#include "ops/matmul/block_product_cpu.h"

#include "backends/cpu/simd_tile.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/rounded.h"
#include "ops/matmul/block_numbers.h"

#include <algorithm>

namespace vitro::inline VITRO_ISA {
namespace {

using simd::Floats;
using simd::Ints;
using simd::kLanes;

constexpr std::int64_t kGroup = 32;   // numbers of a block of a
constexpr std::int64_t kTokens = 64;  // rows of a in a block of the product
constexpr std::int64_t kStreams = 4;  // rows of b that one token is multiplied with at once
constexpr std::int64_t kChunk = 48;   // rows of b, of each part, in a block of the product
constexpr std::int64_t kTileRows = 2, kTileTokens = 4;

Numbers32 magnitude(Numbers32 x) {
#ifdef __AVX2__
    return reinterpret_cast<Numbers32>(_mm256_abs_epi8(reinterpret_cast<__m256i>(x)));
#else
    return x;
#endif
}

/// Lane l: the sum of w[i] * x[i] for i from 4 l to 4 l + 3, exact. `magnitude` of w.
[[gnu::always_inline]] inline Ints multiply_numbers(Numbers32 w, [[maybe_unused]] Numbers32 magnitude, Numbers32 x) {
#ifdef __AVX2__
    // Unsigned by signed is what the machine multiplies: |w|, and x with the sign of w.
    const auto a = reinterpret_cast<__m256i>(magnitude);
    const __m256i b = _mm256_sign_epi8(reinterpret_cast<__m256i>(x), reinterpret_cast<__m256i>(w));
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
    return reinterpret_cast<Ints>(_mm256_dpbusd_epi32(_mm256_setzero_si256(), a, b));
#elif defined(__AVXVNNI__)
    return reinterpret_cast<Ints>(_mm256_dpbusd_avx_epi32(_mm256_setzero_si256(), a, b));
#else  // two products of at most 128 * 127 fit in 16 bits
    return reinterpret_cast<Ints>(_mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)));
#endif
#else
    Ints out{};
    for (int l = 0; l < kLanes; ++l)
        for (int i = 4 * l; i < 4 * l + 4; ++i) out[l] += w[i] * x[i];
    return out;
#endif
}

Floats halves(const float (&two)[2]) { return Floats{two[0], two[0], two[0], two[0], two[1], two[1], two[1], two[1]}; }

/// The sums of each half, times the scale, in the first lane of a half.
Floats sums_of(const Rounded32& x) {
    return Floats{static_cast<float>(x.sums[0]), 0, 0, 0, static_cast<float>(x.sums[1]), 0, 0, 0} * x.scale;
}

/// sums[r][t] = row r of b times token t of a; `groups` of a row of a.
template <DType dtype, int kB, int kA>
[[gnu::noinline]] void dots(const std::uint8_t* const (&rows)[kB], const Rounded32* a, std::int64_t groups,
                            float (&sums)[kB][kA]) {
    constexpr std::int64_t kParts = info(dtype).block_elements / kGroup, kBytes = info(dtype).block_bytes;
    Floats acc[kB][kA] = {};
    for (std::int64_t block = 0; block * kParts < groups; ++block)
        simd::unrolled<kB>([&](auto r) __attribute__((always_inline)) {
            const Block<dtype> weights(rows[r] + block * kBytes);
            for (int part = 0; part < kParts; ++part) {
                const Numbers w = weights.part(part);
                const Numbers32 size = magnitude(w.number);
                const Floats scale = halves(w.scale), offset = halves(w.offset);
                simd::unrolled<kA>([&](auto t) __attribute__((always_inline)) {
                    const Rounded32& x = a[t * groups + block * kParts + part];
                    Numbers32 numbers;
                    std::memcpy(&numbers, x.numbers, sizeof numbers);
                    const Ints products = multiply_numbers(w.number, size, numbers);
                    acc[r][t] =
                        simd::multiply_add(__builtin_convertvector(products, Floats), scale * x.scale, acc[r][t]);
                    if constexpr (Block<dtype>::kHasOffset)
                        acc[r][t] = simd::multiply_add(offset, sums_of(x), acc[r][t]);
                });
            }
        });
    for (int r = 0; r < kB; ++r)
        for (int t = 0; t < kA; ++t) sums[r][t] = simd::sum(acc[r][t]);
}

/// out [tokens, ProductBlock::kRow] = `tokens` rows of a times `n` rows of b, kB of these and kA of those at a time.
/// The rows of b that go together lie n / kB apart: memory gives the most to a few long streams.
template <DType dtype, int kB, int kA>
void multiply_rows(const Rounded32* a, std::int64_t tokens, std::int64_t groups, const std::uint8_t* b, std::int64_t n,
                   float* out) {
    const std::int64_t row_bytes = groups * kGroup / info(dtype).block_elements * info(dtype).block_bytes;
    const std::int64_t apart = (n + kB - 1) / kB;
    for (std::int64_t r = 0; r < apart; ++r) {
        const std::uint8_t* rows[kB];
        for (std::int64_t j = 0; j < kB; ++j) rows[j] = b + std::min(r + j * apart, n - 1) * row_bytes;
        for (std::int64_t t = 0; t < tokens; t += kA) {
            float sums[kB][kA];
            dots<dtype, kB, kA>(rows, a + t * groups, groups, sums);
            for (std::int64_t j = 0; j < kB && r + j * apart < n; ++j)
                for (std::int64_t i = 0; i < kA; ++i) out[(t + i) * ProductBlock::kRow + r + j * apart] = sums[j][i];
        }
    }
}

/// What multiply_quantized needs of a type.
using MultiplyRows = void (*)(const Rounded32* a, std::int64_t tokens, std::int64_t groups, const std::uint8_t* b,
                              std::int64_t n, float* out);

template <DType dtype>
void multiply_type(const Rounded32* a, std::int64_t tokens, std::int64_t groups, const std::uint8_t* b, std::int64_t n,
                   float* out) {
    const std::int64_t tiled = tokens / kTileTokens * kTileTokens;
    if (tiled > 0) multiply_rows<dtype, kTileRows, kTileTokens>(a, tiled, groups, b, n, out);
    if (tiled < tokens)
        multiply_rows<dtype, kStreams, 1>(a + tiled * groups, tokens - tiled, groups, b, n,
                                          out + tiled * ProductBlock::kRow);
}

template <DType... dtypes>
MultiplyRows multiply_of(DType dtype) {
    MultiplyRows found = nullptr;
    ((dtype == dtypes ? void(found = multiply_type<dtypes>) : void()), ...);
    VITRO_CHECK(found != nullptr, "no product with {}", name(dtype));
    return found;
}

}  // namespace

std::size_t quantized_scratch(const Product&, const ThreadPool& pool) {
    return sizeof(float) * static_cast<std::size_t>(kTokens * ProductBlock::kRow * pool.threads());
}

void multiply_quantized(const Product& p, std::span<std::byte> scratch, ThreadPool& pool, FinishBlock finish,
                        void* context) {
    const MultiplyRows multiply_rows_of_type =
        multiply_of<DType::q8_0, DType::q4_0, DType::q4_1, DType::q5_0, DType::q5_1, DType::q2_k, DType::q3_k,
                    DType::q4_k, DType::q5_k, DType::q6_k, DType::iq4_nl, DType::iq4_xs, DType::mxfp4>(p.b_dtype);
    const std::int64_t groups = p.k / kGroup;
    const auto* const a = static_cast<const Rounded32*>(p.a);
    auto* const sums = reinterpret_cast<float*>(scratch.data());
    const std::int64_t share = p.n / (4 * pool.threads());  // four chunks a thread at least
    const std::int64_t most = p.parts == 1 ? 2 * kChunk : kChunk;
    const std::int64_t chunk = std::clamp<std::int64_t>(round_up<std::int64_t>(share, kStreams), kStreams, most);
    const std::int64_t chunks = (p.n + chunk - 1) / chunk, token_blocks = (p.m + kTokens - 1) / kTokens;
    pool.parallel_for(chunks * token_blocks, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
        float* const mine = sums + thread * kTokens * ProductBlock::kRow;
        for (std::int64_t unit = begin; unit < end; ++unit) {
            const std::int64_t j = unit / token_blocks * chunk, n = std::min(chunk, p.n - j);
            const std::int64_t first = unit % token_blocks * kTokens, tokens = std::min(kTokens, p.m - first);
            for (std::int64_t part = 0; part < p.parts; ++part)
                multiply_rows_of_type(
                    a + first * groups, tokens, groups,
                    static_cast<const std::uint8_t*>(p.b) + bytes_of(p.b_dtype, (part * p.n + j) * p.k), n,
                    mine + part * ProductBlock::kPart);
            finish(context, {first, tokens, j, n, mine});
        }
    });
}

}  // namespace vitro::inline VITRO_ISA
