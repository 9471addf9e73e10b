// The weights' codes are whole numbers that f16 and bf16 have exactly, so tensor cores multiply x with the codes, and
// only the sums of 16 or 32 columns meet the scale in fp32: nothing of a weight is rounded. Where a type has offsets,
// sums of x itself come from a product with ones.
#include "ops/matmul/block_product_cuda.h"

#include "ops/common/blocks_cuda.h"
#include "ops/matmul/large_product_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// What a warp takes of 16 rows at a time, and how it lies: a lane holds of row lane / 4 of both groups of 8 rows every
/// fourth word, which have the columns that a tensor core wants of it.
template <DType kBlocks>
struct Span {
    static constexpr PackedLayout kLayout = packed_layout(kBlocks);
    static constexpr BlockCode kCode = block_code(kBlocks);
    static constexpr int kColumns = kLayout.elements, kGroups = kColumns / kGroupColumns;
    static constexpr int kCount = kGroups == 1 ? 4 : 1;  // blocks
    // Of a block of threads, which share the sum over k; and blocks on a multiprocessor that registers must last for:
    // large blocks of weights take many.
    static constexpr int kWarps = kGroups == 1 ? 8 : 4, kResident = 2;
    static constexpr int kBytes = int(info(kBlocks).block_bytes) * kPackedRows;
    static constexpr int kLow = kLayout.plane_words(kLayout.low) / 4, kHigh = kLayout.plane_words(kLayout.high) / 4;
    // Groups that share words, and how many words these are.
    static constexpr int kTurn =
        std::max({kGroupColumns, kLayout.low.period(), kHigh == 0 ? 0 : kLayout.high.period()}) / kGroupColumns;
    static constexpr int kLowInTurn = kLow * kTurn / kGroups, kHighInTurn = kHigh * kTurn / kGroups;
    static constexpr int kScales = kCode.by_halves ? 2 : 1, kKinds = kScales * (kCode.has_offset ? 2 : 1);
    // The staged scales of a block: the halves of 16 rows, then the bytes.
    static constexpr int kStagedHalves = kLayout.n_halves * kPackedRows * 2;
    static constexpr int kStaged = kStagedHalves + kLayout.n_bytes * kPackedRows;

    unsigned low[kCount][2][kLow], high[kCount][2][kHigh == 0 ? 1 : kHigh];
};

/// A row of the staged scales.
template <DType kBlocks>
struct StagedRow {
    const std::uint8_t* staged;
    int row;

    __device__ float half(int i) const {
        return to_float(__ushort_as_half(reinterpret_cast<const unsigned short*>(staged)[i * kPackedRows + row]));
    }
    __device__ int byte(int i) const { return staged[Span<kBlocks>::kStagedHalves + i * kPackedRows + row]; }
};

/// Four codes of `kBits` bits, less the centre, as T: columns 0 and 1, 2 and 3.
template <class T, int kBits>
__device__ __forceinline__ void unpack_codes(unsigned codes, int centre, unsigned (&out)[2]) {
    if constexpr (!kIsBf16<T> || kBits <= 7) {  // as the lowest bits of a number whose mantissa has just the room
        constexpr unsigned kExponent = kIsBf16<T> ? 0x43434343 : 0x64646464;
        const float base = (kIsBf16<T> ? 128.0f : 1024.0f) + float(centre);
        const unsigned less = pack<T>(base, base);
        const unsigned pairs[2] = {__byte_perm(codes, kExponent, 0x4140), __byte_perm(codes, kExponent, 0x4342)};
        using Pair = std::conditional_t<kIsBf16<T>, __nv_bfloat162, __half2>;
        for (int i = 0; i < 2; ++i) {
            Pair a, b;
            __builtin_memcpy(&a, &pairs[i], sizeof a);
            __builtin_memcpy(&b, &less, sizeof b);
            a = __hsub2(a, b);
            __builtin_memcpy(&out[i], &a, sizeof a);
        }
    } else {
        float value[4];
        for (unsigned i = 0; i < 4; ++i)  // 2^23 and the code
            value[i] = __uint_as_float(__byte_perm(codes, 0x4b000000, 0x7440 | i)) - (8388608.0f + float(centre));
        out[0] = pack<T>(value[0], value[1]);
        out[1] = pack<T>(value[2], value[3]);
    }
}

/// Warp w takes spans w, w + kWarps, …; what is multiplied makes room for weights of the next, on their way. A lane
/// gets of x, which stays in the first cache, what belongs to its words.
template <class X, DType kBlocks, int kTokens>
__global__ void __launch_bounds__(Span<kBlocks>::kWarps * 32, Span<kBlocks>::kResident)
    block_product_kernel(const Product p, const __grid_constant__ LinearEpilogue epilogue) {
    using S = Span<kBlocks>;
    constexpr BlockCode kCode = S::kCode;
    constexpr PackedLayout kLayout = S::kLayout;
    constexpr int kWarps = S::kWarps;
    constexpr bool kTwoHalves = kTokens == 16;
    VITRO_SHARED(uint4, staged_all, kWarps * 2 * S::kCount * S::kStaged / 16);
    VITRO_SHARED(float, scales_all, kWarps* S::kCount* S::kGroups* S::kKinds* kPackedRows);
    VITRO_SHARED(float, sums, kWarps * 2 * kTokens * 8);
    const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32, group = lane / 4, part = lane % 4;
    auto* const staged = reinterpret_cast<std::uint8_t*>(staged_all) + warp * 2 * S::kCount * S::kStaged;
    float* const scales = scales_all + warp * S::kCount * S::kGroups * S::kKinds * kPackedRows;
    const int blocks = p.k / S::kColumns;

    // Of both groups of rows: where their packed blocks of this warp's next span begin, the group's first row in these,
    // and blocks from there to the end of the rows.
    constexpr int kStep = kWarps * S::kCount;
    const std::uint8_t* next[2];
    int in_block[2], left = blocks - warp * S::kCount;
    {
        const RowGroups output = epilogue.rows(int(blockIdx.x));
        for (int r = 0; r < 2; ++r) {
            next[r] =
                static_cast<const std::uint8_t*>(p.weight.data) +
                (std::int64_t(output.first[r] / kPackedRows) * blocks + warp * S::kCount) * std::int64_t{S::kBytes};
            in_block[r] = output.first[r] % kPackedRows;
        }
    }
    S held;
    const auto fetch = [&](int b, int turn) {
        if (b >= left) return;
        for (int r = 0; r < 2; ++r) {
            const auto* words =
                reinterpret_cast<const unsigned*>(next[r] + b * S::kBytes) + (part * kPackedRows + in_block[r] + group);
            for (int j = turn * S::kLowInTurn; j < (turn + 1) * S::kLowInTurn; ++j)
                held.low[b][r][j] = load_once(words + j * 4 * kPackedRows);
            for (int j = turn * S::kHighInTurn; j < (turn + 1) * S::kHighInTurn; ++j)
                held.high[b][r][j] = load_once(words + (S::kLow + j) * 4 * kPackedRows);
        }
    };
    const auto stage_scales = [&](int buffer) {
        constexpr int kHalfCopies = kLayout.n_halves * 2, kCopies = kHalfCopies + kLayout.n_bytes * 2;
#pragma unroll 1  // once for most types
        for (int at = lane; at < S::kCount * kCopies; at += 32) {
            const int b = at / kCopies, copy = at % kCopies, r = copy % 2;
            const int i = (copy < kHalfCopies ? copy : copy - kHalfCopies) / 2;
            const int first = r == 0 ? in_block[0] : in_block[1];
            const std::uint8_t* const from = (r == 0 ? next[0] : next[1]) + (b < left ? b * S::kBytes : 0);
            std::uint8_t* const to = staged + (buffer * S::kCount + b) * S::kStaged;
            if (copy < kHalfCopies)
                cp_async<16>(to + i * 2 * kPackedRows + r * 16,
                             from + kLayout.halves_at() + (i * kPackedRows + first) * 2, b < left);
            else
                cp_async<8>(to + S::kStagedHalves + i * kPackedRows + r * 8,
                            from + kLayout.bytes_at() + i * kPackedRows + first, b < left);
        }
        cp_async_commit();
    };
    const auto next_span = [&] {
        left -= kStep;
        for (int r = 0; r < 2; ++r) next[r] += std::int64_t{kStep} * S::kBytes;
    };
#pragma unroll
    for (int b = 0; b < S::kCount; ++b)
#pragma unroll
        for (int turn = 0; turn < S::kGroups / S::kTurn; ++turn) fetch(b, turn);
    stage_scales(0);
    next_span();
    allow_next_kernel();
    wait_for_previous_kernel();
    const OutputRows output{epilogue.rows(int(blockIdx.x)), int(threadIdx.x) / 8, int(threadIdx.x) % 8};
    const bool finishes = output.token < p.tokens && output.i < max(output.rows.count[0], output.rows.count[1]);
    typename LinearEpilogue::Loaded loaded{};
    constexpr bool kLoadEarly = S::kGroups == 1;  // else registers do not last
    if (kLoadEarly && finishes) loaded = epilogue.load(output);

    const auto row_of_x = [&](int token) {
        return static_cast<const uint2*>(p.x.data) +
               (std::int64_t(min(token, p.tokens - 1)) * p.k + warp * S::kCount * S::kColumns) / 4 + part;
    };
    const uint2 *x = row_of_x(group), *x_8 = row_of_x(group + 8);
    const unsigned one = pack<X>(1.0f, 1.0f), ones[2] = {one, one};

    float total[2][4] = {};
    for (int buffer = 0; left > -kStep; buffer ^= 1) {
        cp_async_wait<0>();
        __syncwarp();
        for (int b = 0; b < S::kCount; ++b) {
            const StagedRow<kBlocks> row{staged + (buffer * S::kCount + b) * S::kStaged, lane % kPackedRows};
#pragma unroll 1
            for (int g = lane / kPackedRows; g < S::kGroups; g += 2)
                for (int h = 0; h < S::kScales; ++h) {
                    float* const to = scales + ((b * S::kGroups + g) * S::kKinds + h) * kPackedRows + row.row;
                    *to = block_scale<kBlocks>(row, g, h);
                    if constexpr (kCode.has_offset) to[S::kScales * kPackedRows] = block_offset<kBlocks>(row, g, h);
                }
        }
        stage_scales(buffer ^ 1);
        __syncwarp();
#pragma unroll
        for (int b = 0; b < S::kCount; ++b) {
            if (b >= left + kStep) break;
#pragma unroll
            for (int g = 0; g < S::kGroups; ++g) {
                float acc[2][4] = {}, of_x[4] = {};
#pragma unroll
                for (int h = 0; h < 2; ++h) {
                    const int column = g * kGroupColumns + h * kHalfColumns;
                    const int at = (b * S::kColumns + column) / 4;
                    const uint2 four = x[at];
                    uint2 four_8{};
                    if constexpr (kTwoHalves) four_8 = x_8[at];
                    const unsigned a[4] = {four.x, four_8.x, four.y, four_8.y};
                    for (int r = 0; r < 2; ++r) {
                        unsigned high = 0;
                        if constexpr (S::kHigh != 0) high = held.high[b][r][kLayout.high.byte(column) / kHalfColumns];
                        const unsigned low = held.low[b][r][kLayout.low.byte(column) / kHalfColumns];
                        unsigned w[2];
                        unpack_codes<X, kLayout.low.bits + kLayout.high.bits>(block_codes<kBlocks>(low, high, column),
                                                                              kCode.centre, w);
                        mma_m16n8k16<X>(acc[r], a, w);
                    }
                    if constexpr (kCode.has_offset) mma_m16n8k16<X>(of_x, a, ones);
                    if (!kCode.by_halves && h == 0) continue;
                    const int half = kCode.by_halves ? h : 0;
                    const float* const kinds =
                        scales + ((b * S::kGroups + g) * S::kKinds + half) * kPackedRows + 2 * part;
                    for (int r = 0; r < 2; ++r) {
                        const float2 scale = *reinterpret_cast<const float2*>(kinds + 8 * r);
                        float2 offset{};
                        if constexpr (kCode.has_offset)
                            offset = *reinterpret_cast<const float2*>(kinds + S::kScales * kPackedRows + 8 * r);
                        for (int i = 0; i < 4; ++i) {
                            total[r][i] += (i % 2 == 0 ? scale.x : scale.y) * acc[r][i];
                            if constexpr (kCode.has_offset)
                                total[r][i] += (i % 2 == 0 ? offset.x : offset.y) * of_x[i / 2 * 2];
                            acc[r][i] = 0;
                        }
                    }
                    for (float& sum : of_x) sum = 0;
                }
                if ((g + 1) % S::kTurn == 0) fetch(b, g / S::kTurn);
                __syncwarp();  // keeps the compiler from loading all of x at once: registers do not last
            }
        }
        next_span();
        x += kStep * S::kColumns / 4;
        x_8 += kStep * S::kColumns / 4;
    }

    for (int r = 0; r < 2; ++r)
        for (int i = 0; i < (kTwoHalves ? 4 : 2); ++i)
            sums[((warp * 2 + r) * kTokens + group + i / 2 * 8) * 8 + 2 * part + i % 2] = total[r][i];
    __syncthreads();
    if (!finishes) return;
    if (!kLoadEarly) loaded = epilogue.load(output);
    float first = 0, second = 0;
    for (int w = 0; w < kWarps; ++w) {
        first += sums[(w * 2 * kTokens + output.token) * 8 + output.i];
        second += sums[((w * 2 + 1) * kTokens + output.token) * 8 + output.i];
    }
    epilogue.finish(output, loaded, first, second);
}

}  // namespace

void launch_block_product(Product p, std::byte* scratch, const LinearEpilogue& epilogue, CudaBackend& backend) {
    if (reinterpret_cast<std::uintptr_t>(p.x.data) % sizeof(uint2) != 0) {  // a view may begin anywhere
        const Elements copy{scratch, p.x.dtype};
        launch_convert(p.x, copy, std::int64_t(p.tokens) * p.k, backend.stream());
        p.x = copy;
    }
    const auto launch_it = [&](auto kernel, int warps) {
        launch(kernel,
               {.name = "linear",
                .grid = unsigned(epilogue.units()),
                .block = unsigned(warps) * 32,
                .stream = backend.stream(),
                .programmatic = p.fixed_weights},
               p, epilogue);
    };
    with_blocks(p.weight.dtype, [&]<DType kBlocks>(std::integral_constant<DType, kBlocks>) {
        constexpr int kWarps = Span<kBlocks>::kWarps;
        const auto with_type = [&]<class X>(X) {
            p.tokens <= 8 ? launch_it(block_product_kernel<X, kBlocks, 8>, kWarps)
                          : launch_it(block_product_kernel<X, kBlocks, 16>, kWarps);
        };
        p.x.dtype == DType::bf16 ? with_type(__nv_bfloat16{}) : with_type(__half{});
    });
}

}  // namespace vitro::VITRO_DEVICE
